"""The scripted upstream of `tests.upstream`, told by each message what to play."""

import asyncio
import functools
from dataclasses import dataclass, field
from typing import Any

from tests.replicas.play import Play, mark_of
from tests.upstream import Exchange, Fault, Recorded, Upstream
from tests.upstream.frames import sse


@dataclass(slots=True)
class Gate:
    """Where plays wait until the test lets them go on."""

    waiting: int = 0
    opened: asyncio.Event = field(default_factory=asyncio.Event)


class PlayingUpstream(Upstream):
    """`async with PlayingUpstream() as upstream`; `requests`, `calls`, `open_sockets` and `until` are the parent's.

    `Recorded.closed_at` of a call is when its connection was seen closed, in the time of the event loop.
    """

    def __init__(self) -> None:
        super().__init__(lambda recorded: Fault("play", functools.partial(self._perform, recorded), None))
        self._gates: dict[str, Gate] = {}

    def gate(self, name: str) -> Gate:
        """Give the gate of that name, closed at first."""
        return self._gates.setdefault(name, Gate())

    def open(self, name: str) -> None:
        """Let everything pass that waits at the gate or comes to it later."""
        self.gate(name).opened.set()

    async def reached(self, name: str, count: int = 1, *, seconds: float = 10) -> None:
        """Wait until `count` plays stand at the gate: what comes before it has been written to their sockets."""
        await self.until(lambda: self.gate(name).waiting >= count, timeout=seconds)

    def calls_for(self, message: str) -> list[Recorded]:
        """Give the calls whose last message has the mark of `message`; several if the gateway asked again."""
        mark = mark_of(message)
        return [recorded for recorded in self.calls if mark_of(_last_message(recorded)) == mark]

    async def closed(self, message: str, *, seconds: float = 10) -> float:
        """Wait until every connection of the calls for `message` is closed; give the loop's time of the last end."""

        def over() -> bool:
            calls = self.calls_for(message)
            return bool(calls) and all(call.closed_at is not None for call in calls)

        await self.until(over, timeout=seconds)
        return max(call.closed_at or 0.0 for call in self.calls_for(message))

    async def _perform(self, recorded: Recorded, exchange: Exchange) -> None:
        message = _last_message(recorded)
        play = Play.of(message)
        exchange.head()
        begun = asyncio.get_running_loop().time()
        for number, text in enumerate(play.texts(mark_of(message))):
            if play.gate and number == play.at:
                await self._wait_at(self.gate(play.gate), exchange)
                begun = asyncio.get_running_loop().time() - number * play.pace_ms / 1000
            if play.cut and number == play.cut:
                await exchange.drop()
                return
            await _keep_pace(begun + number * play.pace_ms / 1000)
            await exchange.send(_chunk({"content": text}))
            if play.pace_ms:
                await exchange.flush()
        if play.gate and play.at >= play.chunks:
            await self._wait_at(self.gate(play.gate), exchange)
        await exchange.send(_chunk({}, "stop") + _usage(play.chunks) + b"data: [DONE]\n\n")
        await exchange.end()

    async def _wait_at(self, gate: Gate, exchange: Exchange) -> None:
        await exchange.flush()
        gate.waiting += 1
        self._notify()
        try:
            await gate.opened.wait()
        finally:
            gate.waiting -= 1


async def _keep_pace(when: float) -> None:
    late = asyncio.get_running_loop().time() - when
    if late < 0:
        await asyncio.sleep(-late)


def _last_message(recorded: Recorded) -> str:
    messages: list[dict[str, Any]] = recorded.json_object.get("messages") or [{}]
    return str(messages[-1].get("content", ""))


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    return sse({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _usage(chunks: int) -> bytes:
    return sse({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": chunks}})
