"""The load generator: many streams at once, each begun again when it ends, every chunk timed.

`python -m bench.load` prints its figures as JSON. It only ever sends to this machine.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final, cast, final

import orjson
import uvloop
from typing_extensions import override

from bench.figures import Figures, Spread
from bench.process import cpu_seconds, machine_seconds, pin, resident_mib
from bench.reader import Reader
from bench.target import direct_request, gateway_requests

_RAMP_S: Final = 2.0
_LATE_S: Final = 30.0
"""What a stream may take beyond thrice its script before it counts as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask, of whom, and for how long."""

    port: int
    gateway: bool
    streams: int
    chunks: int
    pace_s: float
    seconds: float
    cap: int
    """How many of the streams the server takes at once; the others are refused and ask again at once. 0 for all."""
    server: int
    """Its process id."""
    upstream: int
    """The process id of the upstream behind it, or the server's own."""

    @property
    def length_s(self) -> float:
        """How long the script of one answer is."""
        return self.chunks * self.pace_s

    @property
    def ramp_s(self) -> float:
        """How long the load runs before it is measured."""
        return max(self.length_s, _RAMP_S)

    @property
    def most_streams(self) -> int:
        """How many of the streams can be answered at once."""
        return min(self.streams, self.cap or self.streams)

    @property
    def most_requests(self) -> int:
        """How many there can be: every stream begins again until the window closes."""
        return self.streams * (int((self.ramp_s + self.seconds) / self.length_s) + 2)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The clocks at one edge of the window."""

    moment: float
    server: float
    load: float
    machine: float
    upstream: float

    @classmethod
    def now(cls, plan: Plan) -> "_Reading":
        used = (cpu_seconds(plan.server), cpu_seconds(os.getpid()), machine_seconds(), cpu_seconds(plan.upstream))
        return cls(time.monotonic(), *used)


@final
class Load:
    """One load from the first request to the last byte."""

    def __init__(self, plan: Plan, requests: Sequence[bytes]) -> None:
        """Take the plan and the request of each stream; a single one is asked again and again."""
        self._plan = plan
        self._requests = iter(requests) if plan.gateway else repeat(requests[0])
        self._closing = False
        self._open = False
        self._errors: Counter[str] = Counter()
        self._streams = 0
        self._chunks = 0
        self._refused_ns: list[int] = []
        self._first_ns: list[int] = []
        self._transit_ns: list[int] = []

    def next_request(self, refused: bytes | None = None) -> bytes | None:
        """Give the next stream's request, or the refused one once more; None when no further one is to begin."""
        return None if self._closing else refused or next(self._requests)

    def take(self, now: int, written: Sequence[int], asked: int | None) -> None:
        """Count tokens that were read at `now`; `asked` is when, where they are the first of their stream."""
        self._chunks += len(written)
        if self._open:
            self._transit_ns.extend([now - moment for moment in written])
            if asked is not None:
                self._first_ns.append(now - asked)

    def refuse(self, waited_ns: int) -> bool:
        """Count a refusal; False where none was to be expected."""
        self._refused_ns.append(waited_ns)
        if not self._plan.cap:
            self._errors["refused"] += 1
        return bool(self._plan.cap)

    def end(self, reader: Reader) -> bool:
        """Judge an answer that is over; False for one that was not whole."""
        complaint = reader.complaint(self._plan.chunks)
        if complaint is None:
            self._streams += 1
        else:
            self._errors[complaint] += 1
        return complaint is None

    async def run(self) -> Figures:
        """Ramp up, measure, and let every stream end."""
        plan = self._plan
        begin = end = _Reading.now(plan)
        mib = 0.0
        try:
            async with asyncio.timeout(4 * plan.ramp_s + plan.seconds + _LATE_S), asyncio.TaskGroup() as streams:
                for number in range(plan.streams):
                    streams.create_task(self._stream(number * plan.length_s / plan.streams))
                await asyncio.sleep(plan.ramp_s)
                begin, self._open = _Reading.now(plan), True
                await asyncio.sleep(plan.seconds)
                end, self._open, self._closing = _Reading.now(plan), False, True
                mib = resident_mib(plan.server)
        except TimeoutError:
            self._errors["streams that did not end in time"] += 1
        return self._figures(begin, end, mib)

    async def _stream(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()
        try:
            transport, _ = await loop.create_connection(lambda: _Stream(self, gone), "127.0.0.1", self._plan.port)
        except OSError as failure:
            self._errors[type(failure).__name__] += 1
            return
        try:
            await gone
        finally:
            transport.abort()

    def _figures(self, begin: _Reading, end: _Reading, mib: float) -> Figures:
        wall = end.moment - begin.moment or 1.0
        delivered = len(self._transit_ns)
        server, load = end.server - begin.server, end.load - begin.load
        behind = end.upstream - begin.upstream if self._plan.upstream != self._plan.server else 0.0
        return Figures(
            errors=dict(self._errors),
            refusals=len(self._refused_ns),
            refused_after=Spread.of([time / 1e9 for time in self._refused_ns]),
            streams=self._streams,
            chunks=self._chunks,
            begin=begin.moment,
            end=end.moment,
            delivered=delivered,
            offered=round(self._plan.most_streams * wall / self._plan.pace_s),
            first_token=Spread.of([time / 1e9 for time in self._first_ns]),
            transit=Spread.of([time / 1e9 for time in self._transit_ns]),
            server_cores=server / wall,
            server_us_per_chunk=server * 1e6 / max(1, delivered),
            server_mib=mib,
            load_cores=load / wall,
            other_cores=max(0.0, end.machine - begin.machine - server - load - behind) / wall,
        )


@final
class _Stream(asyncio.Protocol):
    """One connection, which asks again as soon as an answer is over."""

    def __init__(self, load: Load, gone: "asyncio.Future[None]") -> None:
        self._load = load
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._reader: Reader | None = None
        self._asked = 0
        self._request: bytes | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the class.
        self._transport = cast("asyncio.Transport", transport)
        self._ask(self._transport)

    @override
    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        reader, transport = self._reader, self._transport
        if reader is None or transport is None:
            return
        first = not reader.tokens
        if written := reader.feed(data):
            self._load.take(now, written, self._asked if first else None)
        if reader.over:
            self._reader = None
            if reader.refused and self._load.refuse(now - self._asked):
                self._ask(transport, self._request)
            elif not reader.refused and self._load.end(reader):
                self._ask(transport)
            else:
                transport.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._reader is not None:
            self._load.end(self._reader)
        if not self._gone.done():
            self._gone.set_result(None)

    def _ask(self, transport: asyncio.Transport, refused: bytes | None = None) -> None:
        self._request = request = self._load.next_request(refused)
        if request is None:
            transport.close()
            return
        self._reader = Reader()
        self._asked = time.monotonic_ns()
        transport.write(request)


async def _measure(plan: Plan) -> Figures:
    requests = await gateway_requests(plan.port, plan.most_requests) if plan.gateway else [direct_request()]
    return await Load(plan, requests).run()


def main() -> None:
    """Run one load and print what it measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "streams", "chunks", "cap", "server", "upstream", "cpu"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("pace", "seconds"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument(
        "--gateway", action="store_true", help="send messages to the gateway, not chats to the upstream"
    )
    options = parser.parse_args()
    pin(options.cpu)
    plan = Plan(
        port=options.port,
        gateway=options.gateway,
        streams=options.streams,
        chunks=options.chunks,
        pace_s=options.pace,
        seconds=options.seconds,
        cap=options.cap,
        server=options.server,
        upstream=options.upstream,
    )
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(_measure(plan))) + b"\n")


if __name__ == "__main__":
    main()
