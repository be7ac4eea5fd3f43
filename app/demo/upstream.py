"""The demo upstream as an ASGI app: OpenAI's chat wire at a human pace, on loopback, next to the gateway."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send
from typing_extensions import override

from app.demo.script import MODELS, Manner, Script, choose
from app.demo.wire import Completion, problem, refusal, words_of

_MAX_BODY_BYTES: Final = 8_000_000
_OK: Final = 200
_RETRY_AFTER_SECONDS: Final = "2"
_PAGE: Final = "<!doctype html><title>Welcome</title><h1>It works</h1><p>This is a web page of the demo upstream.</p>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the demo talks, in seconds."""

    word_s: float = 0.03
    slow_s: float = 3.0
    """Before the first word, when asked to be slow."""
    stall_s: float = 3600.0
    """How long a stalled answer is silent; it ends without an end."""


def create_demo(pace: Pace | None = None) -> Starlette:
    """Give the app: `POST /v1/chat/completions`, streaming or not, and `GET /v1/models`."""
    demo = _Demo(pace or Pace())
    return Starlette(
        routes=[
            Route("/v1/chat/completions", demo.complete, methods=["POST"]),
            Route("/v1/models", _list_models, methods=["GET"]),
        ]
    )


class _CutResponse(StreamingResponse):
    """Leaves out the end of the body, upon which the server drops the connection."""

    @override
    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self.body_iterator:
            await send({"type": "http.response.body", "body": piece, "more_body": True})


@dataclass(frozen=True, slots=True)
class _Demo:
    pace: Pace

    async def complete(self, request: Request) -> Response:
        """Answer one chat completion."""
        asked = await _read_object(request)
        if asked is None:
            return _json(problem("The body must be a JSON object of at most 8 MB."), 400)
        model, messages = asked.get("model"), asked.get("messages")
        if not isinstance(model, str) or not isinstance(messages, list) or not messages:
            return _json(problem("The fields model (string) and messages (a list) are required."), 400)
        if model not in MODELS:
            return _json(
                problem(f"The model does not exist; there are {', '.join(MODELS)}.", code="model_not_found"), 404
            )
        said = cast("list[object]", messages)
        completion = Completion(script=choose(said), model=model, prompt_words=len(words_of(str(said))))
        if early := self._instead_of_an_answer(completion.script):
            return early
        if asked.get("stream"):
            return self._stream(completion, with_usage=_wants_usage(asked))
        return await self._whole(completion)

    def _instead_of_an_answer(self, script: Script) -> Response | None:
        if script.status != _OK:
            headers = {"retry-after": _RETRY_AFTER_SECONDS} if script.status == 429 else {}  # noqa: PLR2004 - HTTP's own
            return _json(refusal(script.status), script.status, headers)
        if script.manner is Manner.HTML:
            return HTMLResponse(_PAGE)
        if script.manner is Manner.EMPTY:
            return Response(b"", media_type="text/event-stream")
        return None

    def _stream(self, completion: Completion, *, with_usage: bool) -> Response:
        kind = _CutResponse if completion.script.manner is Manner.CUT else StreamingResponse
        return kind(
            self._frames(completion, with_usage=with_usage),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache", "x-request-id": completion.id},
        )

    async def _frames(self, completion: Completion, *, with_usage: bool) -> AsyncIterator[bytes]:
        script = completion.script
        if script.slow:
            await asyncio.sleep(self.pace.slow_s)
        deltas = list(completion.deltas())
        half = len(deltas) // 2 if script.manner in {Manner.STALL, Manner.CUT} else len(deltas)
        for delta in deltas[:half]:
            yield _frame(completion.chunk(delta))
            await asyncio.sleep(self.pace.word_s)
        if script.manner is Manner.STALL:
            await asyncio.sleep(self.pace.stall_s)
        if script.manner is not Manner.WHOLE:
            return
        yield _frame(completion.chunk({}, script.finish_reason))
        if with_usage:
            yield _frame(completion.usage_chunk())
        yield b"data: [DONE]\n\n"

    async def _whole(self, completion: Completion) -> Response:
        script = completion.script
        if script.slow:
            await asyncio.sleep(self.pace.slow_s)
        if script.manner is Manner.STALL:
            await asyncio.sleep(self.pace.stall_s)
        body = orjson.dumps(completion.body())
        if script.manner is Manner.CUT:
            return _CutResponse(iter((body[: len(body) // 2],)), media_type="application/json")
        return Response(body, media_type="application/json")


async def _list_models(_request: Request) -> Response:
    listed = [{"id": model, "object": "model", "created": 1_780_000_000, "owned_by": "demo"} for model in MODELS]
    return _json({"object": "list", "data": listed}, _OK)


async def _read_object(request: Request) -> dict[str, Any] | None:
    """Give the body as a JSON object, or None when it is something else or too large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY_BYTES:
            return None
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _wants_usage(asked: dict[str, Any]) -> bool:
    options = asked.get("stream_options")
    return isinstance(options, dict) and bool(cast("dict[str, Any]", options).get("include_usage"))


def _frame(chunk: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _json(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type="application/json")
