"""One model call against the scripted upstream, for the tests of a lane."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.errors import GatewayError
from app.events import Usage
from app.providers import litellm_setup
from app.providers.litellm_lane import LitellmLane
from app.providers.model import (
    ChatMessage,
    Delta,
    Finish,
    ModelClient,
    ModelRequest,
    ReasoningTextDelta,
    TextDelta,
    ToolCall,
    ToolCallPiece,
    ToolSpec,
    UsageReport,
)
from app.providers.native_lane import NativeLane
from app.providers.provider import Deadlines, Lane, Provider, Route, Wire
from app.providers.transport import Transport
from app.secret import Secret

KEY = "sk-planted-0123456789abcdefghijklmnop"
QUICK = Deadlines(connect_s=1.0, first_token_s=0.6, idle_s=0.6, total_s=3.0)
TOOL = ToolSpec(name="get_weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})

VERSIONS = {Wire.GEMINI: "/v1beta", Wire.OLLAMA: ""}


def route_to(
    base_url: str, wire: Wire, *, model: str = "test-model", prefix: str = "", lane: Lane = Lane.LITELLM
) -> Route:
    path = VERSIONS.get(wire, "/v1")
    provider = Provider(
        id="test",
        label="Test Provider",
        api_base=base_url + path,
        default_model=model,
        wire=wire,
        litellm_prefix=prefix,
    )
    return Route(provider=provider, model=model, wire=wire, base_url=base_url + path, lane=lane)


def request_to(
    route: Route,
    *,
    deadlines: Deadlines | None = None,
    tools: tuple[ToolSpec, ...] = (TOOL,),
    messages: tuple[ChatMessage, ...] = (ChatMessage(role="user", content="Where to?"),),
    key: str | None = KEY,
    tool_choice: str | None = None,
    own_key: bool = True,
    session_id: str | None = None,
) -> ModelRequest:
    return ModelRequest(
        route=route,
        api_key=Secret(key) if key else None,
        messages=messages,
        tools=tools,
        tool_choice=tool_choice,
        own_key=own_key,
        session_id=session_id,
        deadlines=deadlines or Deadlines(),
    )


@dataclass(slots=True)
class Outcome:
    """Everything that one call gave."""

    text: str = ""
    reasoning: str = ""
    pieces: dict[int, list[ToolCallPiece]] = field(default_factory=dict[int, list[ToolCallPiece]])
    usage: Usage | None = None
    finish: list[Finish] = field(default_factory=list[Finish])
    error: GatewayError | None = None

    def add(self, delta: Delta) -> None:
        match delta:
            case TextDelta(text):
                self.text += text
            case ReasoningTextDelta(text):
                self.reasoning += text
            case ToolCallPiece():
                self.pieces.setdefault(delta.index, []).append(delta)
            case UsageReport(usage):
                self.usage = usage
            case Finish():
                self.finish.append(delta)

    @property
    def calls(self) -> list[ToolCall]:
        return [
            ToolCall(
                id="".join(piece.id or "" for piece in pieces),
                name="".join(piece.name or "" for piece in pieces),
                arguments="".join(piece.arguments for piece in pieces),
            )
            for _, pieces in sorted(self.pieces.items())
        ]

    @property
    def code(self) -> str | None:
        return self.error.code if self.error else None


async def call(lane: ModelClient, request: ModelRequest) -> Outcome:
    outcome = Outcome()
    try:
        async with lane.stream(request) as deltas:
            async for delta in deltas:
                outcome.add(delta)
    except GatewayError as error:
        outcome.error = error
    return outcome


@asynccontextmanager
async def open_lane(kind: Lane = Lane.LITELLM) -> AsyncGenerator[ModelClient]:
    """Give a lane that is ready."""
    if kind is Lane.LITELLM:
        async with open_litellm() as lane:
            yield lane
    else:
        async with Transport() as transport:
            yield NativeLane(transport)


@asynccontextmanager
async def open_litellm() -> AsyncGenerator[LitellmLane]:
    """Give a lane with litellm loaded; the first one of a process takes seconds."""
    async with Transport() as transport:
        lane = LitellmLane(transport)
        lane.use(await asyncio.to_thread(litellm_setup.load))
        try:
            yield lane
        finally:
            await lane.close()
