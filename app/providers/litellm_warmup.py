"""One call on each wire with a ready answer, so that litellm's lazy parts load before the first real message.

Runs in the loading thread, in a loop of its own, without network.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType, ModuleType
from typing import Any, Final

import orjson

from app.errors import GatewayError, Origin
from app.providers import litellm_setup
from app.providers.litellm_lane import LitellmLane
from app.providers.model import ChatMessage, ModelRequest, ToolSpec
from app.providers.provider import Deadlines, Lane, Provider, Route, Wire
from app.providers.transport import UpstreamResponse
from app.secret import Secret

_BASE: Final = "http://127.0.0.1:9/v1"
_CHAT: Final = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
_RESPONSE: Final[dict[str, Any]] = {
    "id": "1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [],
}


def _sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % orjson.dumps(event) for event in events)


_ANSWERS: Final[Mapping[Wire, tuple[str, bytes]]] = MappingProxyType(
    {
        Wire.OPENAI_CHAT: (
            "openai",
            _sse(
                {**_CHAT, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi"}}]},
                {**_CHAT, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            ),
        ),
        Wire.OPENAI_RESPONSES: (
            "openai/responses",
            _sse(
                {"type": "response.output_text.delta", "item_id": "1", "output_index": 0, "delta": "hi"},
                {"type": "response.completed", "response": _RESPONSE},
            ),
        ),
        Wire.ANTHROPIC_MESSAGES: (
            "anthropic",
            _sse(
                {"type": "message_start", "message": {"id": "1", "role": "assistant", "model": "m", "content": []}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
                {"type": "message_stop"},
            ),
        ),
        Wire.GEMINI: (
            "gemini",
            _sse({"candidates": [{"index": 0, "content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}),
        ),
        Wire.OLLAMA: (
            "ollama_chat",
            b'{"model":"m","message":{"role":"assistant","content":"hi"},"done":true,"done_reason":"stop"}\n',
        ),
    }
)
_TOOL: Final = ToolSpec(name="noop", parameters={"type": "object", "properties": {}})


class _OneAnswer:
    """A body that is one piece."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def readany(self) -> bytes:
        answer, self._answer = self._answer, b""
        return answer


class _Canned:
    """A sender with one ready answer."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    @asynccontextmanager
    async def request(  # noqa: PLR0913 - the port's signature
        self,
        method: str,  # noqa: ARG002 - see above
        url: str,  # noqa: ARG002 - see above
        *,
        headers: Mapping[str, str],  # noqa: ARG002 - see above
        body: bytes | None,  # noqa: ARG002 - see above
        deadlines: Deadlines,  # noqa: ARG002 - see above
        origin: Origin,
        guarded: bool = True,  # noqa: ARG002 - see above
    ) -> AsyncGenerator[UpstreamResponse]:
        yield UpstreamResponse(200, {"content-type": "text/event-stream"}, _OneAnswer(self._answer), origin)


def load() -> ModuleType:
    """Load litellm and make the calls; one that fails only leaves its wire cold. Blocks for seconds: use a thread."""
    with litellm_setup.gently():
        litellm = litellm_setup.load()
        asyncio.run(_warm(litellm))
    return litellm


async def _warm(litellm: ModuleType) -> None:
    for wire, (prefix, answer) in _ANSWERS.items():
        lane = LitellmLane(_Canned(answer))
        lane.use(litellm)
        provider = Provider(
            id="warm-up", label="Warm-up", api_base=_BASE, default_model="m", wire=wire, litellm_prefix=prefix
        )
        route = Route(provider=provider, model="m", wire=wire, base_url=_BASE, lane=Lane.LITELLM)
        messages = (ChatMessage(role="user", content="hi"),)
        request = ModelRequest(route=route, api_key=Secret("warm-up"), messages=messages, tools=(_TOOL,))
        try:
            async with lane.stream(request) as deltas:
                async for _ in deltas:
                    pass
        except GatewayError:
            continue
        finally:
            await lane.close()
