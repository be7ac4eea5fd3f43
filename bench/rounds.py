"""One round: the load straight at the upstream, then the same load at the gateway."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from bench.child import ChildFailed, run, serving
from bench.figures import Figures, Spread
from bench.lag import read_lags

_SERVER_CPU: Final = 0
"""Of the server under measurement: the gateway, or the upstream in its place."""
_OTHER_CPU: Final = 1
"""Of the load generator, and of the upstream behind the gateway."""
_SPARE_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to measure."""

    lane: str
    """`native` or `litellm`: who calls the upstream."""
    streams: int
    chunks: int
    pace_s: float
    """Between two chunks of a stream."""
    seconds: float
    cap: int = 0
    """How many runs the gateway takes at once; 0 for all."""
    folder: Path
    """For logs and files of the rounds."""
    database: str | None
    """None for a new SQLite file in each round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The two sides of one round."""

    direct: Figures
    gateway: Figures
    lag: Spread
    """Of the gateway's event loop."""


def measure(order: Order, number: int) -> Round:
    """Measure one after the other; raises `ChildFailed`."""
    with _upstream(order, _SERVER_CPU) as (upstream, port):
        direct = _load(order, port, server=upstream, upstream=upstream)
    gateway, lag = measure_gateway(order, number)
    return Round(direct=direct, gateway=gateway, lag=lag)


def measure_gateway(order: Order, number: int) -> tuple[Figures, Spread]:
    """Measure the gateway alone; gives its figures and the lag of its event loop. Raises `ChildFailed`."""
    lag = order.folder / f"lag-{order.lane}-{number}.json"
    with _upstream(order, _OTHER_CPU) as (upstream, behind):
        cap: dict[str, object] = {"max-runs": order.cap} if order.cap else {}
        arguments: dict[str, object] = cap | {
            "database": order.database or f"sqlite:///{order.folder}/gateway-{order.lane}-{number}.db",
            "lane": order.lane,
            "upstream": f"http://127.0.0.1:{behind}",
            "lag": lag,
            "cpu": _SERVER_CPU,
        }
        with serving("gateway", arguments, log=order.folder / "gateway.log") as (server, port):
            gateway = _load(order, port, server=server, upstream=upstream)
    if not lag.is_file():
        message = "bench.gateway had to be killed: it did not end at SIGTERM."
        raise ChildFailed(message)
    return gateway, Spread.of(read_lags(lag, gateway.begin, gateway.end))


def _upstream(order: Order, cpu: int) -> AbstractContextManager[tuple[int, int]]:
    arguments: dict[str, object] = {"chunks": order.chunks, "pace": order.pace_s, "cpu": cpu}
    return serving("upstream", arguments, log=order.folder / "upstream.log")


def _load(order: Order, port: int, *, server: int, upstream: int) -> Figures:
    gateway = server != upstream
    arguments: dict[str, object] = {
        "port": port,
        "gateway": gateway,
        # Without a gateway nobody refuses: the load is what the cap lets through.
        "streams": order.streams if gateway else min(order.streams, order.cap or order.streams),
        "chunks": order.chunks,
        "pace": order.pace_s,
        "seconds": order.seconds,
        "cap": order.cap if gateway else 0,
        "server": server,
        "upstream": upstream,
        "cpu": _OTHER_CPU,
    }
    longest = 4 * order.chunks * order.pace_s + order.seconds + _SPARE_S
    printed = run("load", arguments, log=order.folder / "load.log", seconds=longest)
    return Figures.read(orjson.loads(printed))
