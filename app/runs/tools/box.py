"""The tools of one run: those of every source, as the calling user, open as long as the run answers."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, final

import structlog

from app.providers.model import ToolSpec
from app.runs.tools.limits import ToolLimits
from app.tools.tool import Tool, ToolCaller, ToolSession, ToolSource, ToolUnavailable

_log: Final[Any] = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool, and where it is called."""

    tool: Tool
    session: ToolSession
    source: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ToolBox:
    """What a run may call; open it with `open_box`."""

    offered: Mapping[str, Offered]
    """By name."""
    missing: Mapping[str, str]
    """Of each source that gave no list, why."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """Give the tools as models are offered them."""
        return tuple(
            ToolSpec(name=one.tool.name, description=one.tool.description, parameters=dict(one.tool.parameters))
            for one in self.offered.values()
        )


@asynccontextmanager
async def open_box(
    sources: Sequence[ToolSource], caller: ToolCaller, limits: ToolLimits, *, besides: frozenset[str] = frozenset()
) -> AsyncGenerator[ToolBox]:
    """Open the sources for `caller`, ask each for its list, and give what came in time.

    Of two tools with one name the first source's counts, and `besides` are names that are taken already.
    """
    if not sources:
        yield ToolBox(offered={}, missing={})
        return
    async with AsyncExitStack() as stack:
        sessions = [(source.name, await stack.enter_async_context(source.open(caller))) for source in sources]
        lists = await asyncio.gather(*(_listed(name, session, limits.list_s) for name, session in sessions))
        offered: dict[str, Offered] = {}
        missing: dict[str, str] = {}
        for (name, session), found in zip(sessions, lists, strict=True):
            if isinstance(found, str):
                missing[name] = found
                continue
            for tool in found:
                if tool.name not in besides:
                    offered.setdefault(tool.name, Offered(tool, session, name))
        yield ToolBox(offered=offered, missing=missing)


async def _listed(name: str, session: ToolSession, seconds: float) -> Sequence[Tool] | str:
    try:
        async with asyncio.timeout(seconds):
            return await session.list()
    except TimeoutError:
        why = f"No list of tools within {seconds:g} seconds."
    except ToolUnavailable as away:
        why = str(away)
    except Exception as bug:  # noqa: BLE001 - a source with a bug costs its tools, not the answer
        _log.error("tools.list_crashed", source=name, error_type=type(bug).__qualname__)
        why = "Its list of tools cannot be read."
    _log.warning("tools.unavailable", source=name)
    return why
