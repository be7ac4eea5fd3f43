"""Durable streams through one gateway process, against a bare relay and the bare upstream.

`python -m bench.streams`; what it prints is explained in bench/README.md.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

import orjson

from bench.child import ChildFailed
from bench.disk import sync_ms
from bench.rounds import Order, Round, measure
from bench.summary import Summary
from bench.table import lines_of


def main() -> int:
    """Measure and print; 1 when something broke, never because something was slow."""
    options = _options()
    # Otherwise the processes that were started would outlive this one.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(1))
    try:
        with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
            rounds, summary = _measure(options, Path(name))
    except ChildFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    if options.json:
        sys.stdout.buffer.write(orjson.dumps({"rounds": rounds, "summary": summary}) + b"\n")
    else:
        sys.stdout.write("\n".join(lines_of(rounds, summary)) + "\n")
    return 0 if summary.whole else 1


def _measure(options: argparse.Namespace, folder: Path) -> tuple[list[Round], Summary]:
    order = Order(
        lane=options.lane,
        streams=options.offered or options.streams,
        chunks=options.chunks,
        pace_s=options.pace,
        seconds=options.seconds,
        cap=options.cap,
        folder=folder,
        database=None if options.database == "sqlite" else options.database,
    )
    rounds = [measure(order, number) for number in range(options.rounds)]
    return rounds, Summary.of(rounds, sync_ms=sync_ms(folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=200, help="at once (%(default)s)")
    parser.add_argument("--lane", choices=("native", "litellm"), default="native", help="to the upstream (%(default)s)")
    parser.add_argument("--cap", type=int, default=0, help="runs that the gateway takes at once (all)")
    parser.add_argument("--offered", type=int, default=0, help="streams for that cap: the others are refused")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between two chunks (%(default)s)")
    parser.add_argument("--chunks", type=int, default=500, help="of one stream (%(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of the measured window (%(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="direct, bare and gateway, so many times (%(default)s)")
    parser.add_argument("--database", default="sqlite", help="sqlite, a new file each round, or a PostgreSQL URL")
    parser.add_argument("--json", action="store_true", help="everything, for a program")
    options = parser.parse_args()
    if min(options.streams, options.chunks, options.seconds, options.rounds, options.pace) <= 0:
        parser.error("streams, chunks, seconds, rounds and pace must be more than 0")
    if min(options.cap, options.offered) < 0 or (options.offered and not options.cap):
        parser.error("offered must have a cap, and neither may be below 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
