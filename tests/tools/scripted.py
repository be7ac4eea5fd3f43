"""Sources of tools that do what a test says."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from app.tools.tool import Tool, ToolCaller, ToolResult, ToolSession, ToolUnavailable

CITY: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FREE: Final = {"type": "object"}


@dataclass(slots=True, kw_only=True)
class ToolPlay:
    """What one tool is and does."""

    result: Any = None
    """What it gives; a function is asked with the arguments."""
    raises: Exception | None = None
    waits_for: asyncio.Event | None = None
    lets_go: asyncio.Event | None = None
    """Set once the call is over."""
    hangs: bool = False
    failed: bool = False
    writes: bool = False
    parameters: Mapping[str, Any] = field(default_factory=lambda: FREE)


class Scripted:
    """A source with the tools of a script; it notes every call."""

    def __init__(self, plays: Mapping[str, ToolPlay], name: str = "scripted") -> None:
        self.plays = dict(plays)
        self.name = name
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.callers: list[ToolCaller] = []
        self.cancelled: list[str] = []
        self.called = asyncio.Event()
        self.sessions = 0

    @asynccontextmanager
    async def _open(self, caller: ToolCaller) -> AsyncGenerator[ToolSession]:
        self.callers.append(caller)
        self.sessions += 1
        try:
            yield _Session(self)
        finally:
            self.sessions -= 1

    def open(self, caller: ToolCaller) -> AbstractAsyncContextManager[ToolSession]:
        return self._open(caller)


class _Session:
    def __init__(self, source: Scripted) -> None:
        self._source = source

    async def list(self) -> Sequence[Tool]:
        return [
            Tool(name=name, description="A tool.", parameters=play.parameters, writes=play.writes)
            for name, play in self._source.plays.items()
        ]

    async def call(self, name: str, arguments: Mapping[str, Any], *, seconds: float) -> ToolResult:  # noqa: ARG002 - the port's
        source, play = self._source, self._source.plays[name]
        source.calls.append((name, arguments))
        source.called.set()
        try:
            if play.waits_for is not None:
                await play.waits_for.wait()
            if play.hangs:
                await asyncio.sleep(3600)
        except asyncio.CancelledError:
            source.cancelled.append(name)
            raise
        if play.lets_go is not None:
            play.lets_go.set()
        if play.raises is not None:
            raise play.raises
        result: Any = play.result
        make: Callable[[Mapping[str, Any]], Any] | None = result if callable(result) else None
        return ToolResult(value=make(arguments) if make is not None else result, failed=play.failed)


class Away:
    """A source that gives no list."""

    name = "away"
    reason = "It does not answer. Ask its operator."

    def open(self, caller: ToolCaller) -> AbstractAsyncContextManager[ToolSession]:  # noqa: ARG002 - the port's
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[ToolSession]:
        yield self

    async def list(self) -> Sequence[Tool]:
        raise ToolUnavailable(self.reason)

    async def call(self, name: str, arguments: Mapping[str, Any], *, seconds: float) -> ToolResult:  # noqa: ARG002 - see above
        raise ToolUnavailable(self.reason)
