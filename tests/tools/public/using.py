"""The tools in use: a clock that only moves when it is told to, and one call of a tool."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from app.tools.public.service import Clock
from app.tools.public.tools import PublicTools
from app.tools.tool import ToolCaller, ToolResult
from app.voyage.client import VoyageClient
from tests.tools.public.fake import TODAY, FakePublic

NOBODY: Final = ToolCaller(user_id="7")


class Ticks:
    """Whoever sleeps moves the clock on at once."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.now, sleep=self._sleep, today=lambda: TODAY)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


class Toolbox:
    def __init__(self, tools: PublicTools) -> None:
        self.rows = {tool.name: (tool, handler) for tool, handler in tools.rows}

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        caller: ToolCaller = NOBODY,
        seconds: float = 30.0,
        **more: Any,
    ) -> ToolResult:
        return await self.rows[name][1]({**(arguments or {}), **more}, caller, seconds)


@asynccontextmanager
async def toolbox(
    public: FakePublic, ticks: Ticks | None = None, voyage: VoyageClient | None = None, **changes: Any
) -> AsyncGenerator[Toolbox]:
    clock = (ticks or Ticks()).clock
    async with PublicTools(public.addresses(**changes), voyage, clock=clock) as tools:
        yield Toolbox(tools)
