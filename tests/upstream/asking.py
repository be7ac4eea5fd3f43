"""A plain client for the upstream's own tests: sends what each wire's client sends, reads the raw events."""

from typing import Any, Final

import httpx
import orjson

from app.providers.provider import Wire
from tests.upstream.server import Upstream

PATHS: Final = {
    Wire.OPENAI_CHAT: "/v1/chat/completions",
    Wire.OPENAI_RESPONSES: "/v1/responses",
    Wire.ANTHROPIC_MESSAGES: "/v1/messages",
    Wire.GEMINI: "/v1beta/models/gemini-x:streamGenerateContent?alt=sse",
    Wire.OLLAMA: "/api/chat",
}
BODY: Final = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}


async def post(upstream: Upstream, path: str, body: dict[str, Any]) -> bytes:
    """Give the body of the response."""
    async with httpx.AsyncClient(timeout=10) as client:
        return (await client.post(upstream.base_url + path, json=body)).content


async def ask(upstream: Upstream, wire: Wire) -> list[dict[str, Any]]:
    """Give the events of one answer."""
    body = await post(upstream, PATHS[wire], BODY)
    lines = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith((b"data: ", b"{"))]
    return [orjson.loads(line) for line in lines if line != b"[DONE]"]
