"""`llm-gateway serve` with a tool that writes, and then does not come back: `python -m tests.replicas.serve_tools`.

Each call appends a line to `EFFECTS_FILE`: that is its effect. It answers at once where `TOOL_ANSWERS` is set.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.main import create_app
from app.serve import GatewayServer, listen, loop_factory
from app.settings import Settings, load_settings
from app.tools.tool import Tool, ToolCaller, ToolResult, ToolSession


class Booking:
    """A source with one tool that writes, and one that reads."""

    name = "booking"

    @asynccontextmanager
    async def open(self, caller: ToolCaller) -> AsyncGenerator[ToolSession]:  # noqa: ARG002 - the port's
        yield self

    async def list(self) -> Sequence[Tool]:
        free = {"type": "object"}
        return [
            Tool(name="book", description="Books.", parameters=free, writes=True),
            Tool(name="look", description="Looks.", parameters=free),
        ]

    async def call(self, name: str, arguments: Mapping[str, Any], *, seconds: float) -> ToolResult:  # noqa: ARG002 - the port's
        await asyncio.to_thread(_do, name)
        if not os.environ.get("TOOL_ANSWERS"):
            await asyncio.Event().wait()
        return ToolResult(value={"done": name})


def _do(name: str) -> None:
    with Path(os.environ["EFFECTS_FILE"]).open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())


def main() -> None:
    settings: Settings = load_settings()
    listener = listen(settings)
    with contextlib.closing(listener), asyncio.Runner(loop_factory=loop_factory()) as runner:
        server = GatewayServer(create_app(settings, tools=(Booking(),)), settings)
        runner.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
