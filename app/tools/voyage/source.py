"""Voyage's chat tools as a source: those on trips, and those on public services."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, Final, final
from weakref import WeakValueDictionary

from app.tools.public.handler import Handler
from app.tools.tool import OutcomeUnknown, Tool, ToolCaller, ToolResult, ToolSession, ToolUnavailable
from app.tools.voyage.arguments import Arguments
from app.tools.voyage.desk import Desk
from app.tools.voyage.failure import ToolFailed
from app.tools.voyage.table import TRIP_TOOLS, TripTool
from app.voyage.client import VoyageClient

NAME: Final = "voyage"


@final
class VoyageTools:
    """See `ToolSource`."""

    def __init__(self, voyage: VoyageClient, public: Sequence[tuple[Tool, Handler]] = ()) -> None:
        """Take the client, and the tools that ask other services than Voyage; both stay their owner's."""
        self._voyage = voyage
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._public = {tool.name: (replace(tool, mends=True), handler) for tool, handler in public}

    @property
    def name(self) -> str:
        """What it is called."""
        return NAME

    def open(self, caller: ToolCaller) -> AbstractAsyncContextManager[ToolSession]:
        """Give the session of one run."""
        return self._open(caller)

    @asynccontextmanager
    async def _open(self, caller: ToolCaller) -> AsyncGenerator[ToolSession]:
        yield _Session(Desk(self._voyage, caller, self._locks), caller, self._public)


@final
class _Session:
    def __init__(self, desk: Desk, caller: ToolCaller, public: Mapping[str, tuple[Tool, Handler]]) -> None:
        self._desk = desk
        self._caller = caller
        self._public = public
        self._trips: dict[str, TripTool] = {one.tool.name: one for one in TRIP_TOOLS}

    async def list(self) -> Sequence[Tool]:
        return [*(tool for tool, _ in self._public.values()), *(one.tool for one in self._trips.values())]

    async def call(self, name: str, arguments: Mapping[str, Any], *, seconds: float) -> ToolResult:
        if name in self._public:
            return await self._public[name][1](arguments, self._caller, seconds)
        trip_tool = self._trips[name]
        try:
            async with asyncio.timeout(seconds):
                return ToolResult(value=await trip_tool.handle(self._desk, Arguments(arguments)))
        except ToolFailed as failure:
            return failure.result()
        except TimeoutError:
            if self._desk.has_written:
                raise OutcomeUnknown from None
            late = "Voyage did not answer in time. Nothing was changed."
            raise ToolUnavailable(late) from None
