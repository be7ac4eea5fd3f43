"""What a chunk costs on our own wires, through litellm and in the bare relay, with the same streams.

`python -m bench.lanes`; what it prints is explained in bench/README.md.
"""

import argparse
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import orjson

from bench.child import ChildFailed
from bench.figures import Figures, Spread
from bench.rounds import Order, measure_bare, measure_gateway
from bench.table import broken, head, line

_LANES: Final = ("native", "litellm")
_BARE: Final = "bare"
_FULL_STREAMS: Final = 16
_FULL_PACE_S: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLoad:
    """One lane under one load."""

    load: str
    lane: str
    """`native`, `litellm`, or `bare` for the relay of `bench.bare`."""
    figures: Figures
    lag: Spread
    """Of the event loop."""


def main() -> int:
    """Measure and print; 1 when something broke, never because something was slow."""
    options = _options()
    # Otherwise the processes that were started would outlive this one.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(1))
    try:
        with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
            measured = list(_measure(options, Path(name)))
    except ChildFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    if options.json:
        ratios = {f"times_{lane}": _ratios(measured, lane) for lane in ("native", _BARE)}
        sys.stdout.buffer.write(orjson.dumps({"loads": measured, **ratios}) + b"\n")
    else:
        sys.stdout.write("\n".join(_lines(measured)) + "\n")
    return 1 if any(each.figures.errors for each in measured) else 0


def _measure(options: argparse.Namespace, folder: Path) -> Iterator[LaneLoad]:
    paced = Order(
        lane="native",
        streams=options.streams,
        chunks=options.chunks,
        pace_s=options.pace,
        seconds=options.seconds,
        folder=folder,
        database=None,
    )
    # More than either lane can take: the cost of a chunk where the gateway has no time to spare.
    full = replace(paced, streams=_FULL_STREAMS, pace_s=_FULL_PACE_S)
    for number in range(options.rounds):
        for load, order in (("paced", paced), ("full", full)):
            place = folder / f"{load}-{number}"
            place.mkdir()
            for lane in (*_LANES, _BARE):
                measure = measure_bare if lane == _BARE else measure_gateway
                figures, lag = measure(replace(order, lane=lane, folder=place), number)
                yield LaneLoad(load=load, lane=lane, figures=figures, lag=lag)


def _ratios(measured: list[LaneLoad], lane: str) -> dict[str, float]:
    """Give, for each load, the CPU for a chunk through litellm as a multiple of that of `lane`."""

    def cost(load: str, lane: str) -> float:
        taken = [one.figures.server_us_per_chunk for one in measured if (one.load, one.lane) == (load, lane)]
        return max(1e-9, statistics.median(taken))

    return {load: cost(load, "litellm") / cost(load, lane) for load in ("paced", "full")}


def _lines(measured: list[LaneLoad]) -> Iterator[str]:
    yield head()
    for each in measured:
        yield line(f"{each.load} {each.lane}", each.figures, each.lag)
    yield ""
    bare = _ratios(measured, _BARE)
    for load, times in _ratios(measured, "native").items():
        yield f"{load:<19}CPU for a chunk: litellm {times:.1f} x native, {bare[load]:.1f} x bare"
    for each in measured:
        yield from broken(f"{each.load} {each.lane}", each.figures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.lanes", description=__doc__)
    parser.add_argument("--streams", type=int, default=6, help="at once, paced (%(default)s)")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between two chunks (%(default)s)")
    parser.add_argument("--chunks", type=int, default=300, help="of one stream (%(default)s)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of the measured window (%(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="of all six loads (%(default)s)")
    parser.add_argument("--json", action="store_true", help="everything, for a program")
    options = parser.parse_args()
    if min(options.streams, options.pace, options.chunks, options.seconds, options.rounds) <= 0:
        parser.error("streams, pace, chunks, seconds and rounds must be more than 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
