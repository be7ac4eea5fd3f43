"""One round: the load straight at the upstream, then the same load at a bare relay and at the gateway."""

from collections.abc import Mapping
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
    """The sides of one round."""

    direct: Figures
    bare: Figures | None
    """What a simple durable relay takes, see `bench.bare`; None where it cannot do what is asked."""
    gateway: Figures
    lag: Spread
    """Of the gateway's event loop."""

    @property
    def sides(self) -> Mapping[str, Figures]:
        """Give the sides that were measured, by name."""
        bare = {} if self.bare is None else {"bare": self.bare}
        return {"direct": self.direct, **bare, "gateway": self.gateway}


def measure(order: Order, number: int) -> Round:
    """Measure one after the other; raises `ChildFailed`."""
    with _upstream(order, _SERVER_CPU) as (upstream, port):
        direct = _load(order, port, server=upstream, upstream=upstream)
    # It knows SQLite only, and refuses nobody.
    bare = None if order.database or order.cap else measure_bare(order, number)[0]
    gateway, lag = measure_gateway(order, number)
    return Round(direct=direct, bare=bare, gateway=gateway, lag=lag)


def measure_gateway(order: Order, number: int) -> tuple[Figures, Spread]:
    """Measure the gateway alone; gives its figures and the lag of its event loop. Raises `ChildFailed`."""
    cap: dict[str, object] = {"max-runs": order.cap} if order.cap else {}
    return _behind(order, number, "gateway", lane=order.lane, **cap)


def measure_bare(order: Order, number: int) -> tuple[Figures, Spread]:
    """Measure the bare relay alone, in the same way."""
    return _behind(order, number, "bare")


def _behind(order: Order, number: int, server: str, **options: object) -> tuple[Figures, Spread]:
    """Measure `bench.<server>` in front of the upstream."""
    lag = order.folder / f"lag-{server}-{order.lane}-{number}.json"
    with _upstream(order, _OTHER_CPU) as (upstream, behind):
        arguments = options | {
            "database": order.database or f"sqlite:///{order.folder}/{server}-{order.lane}-{number}.db",
            "upstream": f"http://127.0.0.1:{behind}",
            "lag": lag,
            "cpu": _SERVER_CPU,
        }
        with serving(server, arguments, log=order.folder / f"{server}.log") as (process, port):
            figures = _load(order, port, server=process, upstream=upstream)
    if not lag.is_file():
        message = f"bench.{server} had to be killed: it did not end at SIGTERM."
        raise ChildFailed(message)
    return figures, Spread.of(read_lags(lag, figures.begin, figures.end))


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
