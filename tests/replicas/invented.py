"""A gateway that tells what a test invents: the same routes, and no runs behind them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import httpx
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.replicas.play import text_of
from tests.server import running

DONE: Final = b"data: [DONE]\n\n"


def frame(run_id: str, seq: int, kind: str, **data: Any) -> bytes:
    event = {"v": 1, "type": kind, "seq": seq, "run_id": run_id, **data}
    return f"id: {run_id}:{seq}\nevent: {kind}\ndata: ".encode() + orjson.dumps(event) + b"\n\n"


@dataclass(slots=True)
class InventedGateway:
    """One conversation, whose every answer is whole at once; a test changes what is kept between the questions."""

    conversation: str = field(default_factory=lambda: str(uuid4()))
    runs: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    """What a replay gives."""
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    shown: Callable[[list[bytes]], list[bytes]] = lambda frames: [*frames, DONE]
    """Makes of what is kept what a message is answered with."""
    busy: bool = False

    @property
    def frames(self) -> list[bytes]:
        """The events of the first run."""
        return next(iter(self.runs.values()))

    def answer(self, message: str, *, chunks: list[str]) -> str:
        """Keep a whole run and give its id."""
        run_id, asked, answered = str(uuid4()), str(uuid4()), str(uuid4())
        deltas = [
            frame(run_id, seq, "message.delta", message_id=answered, content=chunk)
            for seq, chunk in enumerate(chunks, start=2)
        ]
        started = frame(run_id, 1, "run.started", message_id=answered)
        end = {"status": "completed", "message_ids": [answered]}
        self.runs[run_id] = [started, *deltas, frame(run_id, len(deltas) + 2, "run.completed", **end)]
        text = "".join(chunks)
        user = {"id": asked, "role": "user", "content": message, "text": message, "status": "complete"}
        assistant = {"id": answered, "role": "assistant", "content": text, "text": text, "status": "completed"}
        self.messages += [{**user, "run_id": run_id}, {**assistant, "run_id": run_id}]
        return run_id

    async def send(self, request: Request) -> Response:
        if self.busy:
            return JSONResponse({"error_category": "conversation_busy"}, 409)
        message: str = (await request.json())["message"]
        run_id = self.answer(message, chunks=[text_of(message)[:4], text_of(message)[4:]])
        return StreamingResponse(_body(self.shown(self.runs[run_id])), headers={"X-Run-Id": run_id})

    async def replay(self, request: Request) -> Response:
        frames = self.runs.get(request.path_params["run"])
        if frames is None:
            return JSONResponse({}, 404)
        after = int(request.query_params.get("after") or request.headers["last-event-id"].partition(":")[2])
        ended = any(b'"status"' in frame for frame in frames)
        if ended and after >= len(frames):
            return Response(status_code=204)
        return StreamingResponse(_body([*frames[after:], DONE] if ended else [*frames[after:], b""]))

    async def status(self, _: Request) -> Response:
        return JSONResponse({"status": "completed"})

    async def told(self, _: Request) -> Response:
        return JSONResponse({"id": self.conversation, "messages": self.messages})

    async def follow(self, _: Request) -> Response:
        return Response(status_code=204)

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[httpx.AsyncClient]:
        """Serve inside the block and give a client."""
        conversation = "/api/chat/conversations/{id}"
        app = Starlette(
            routes=[
                Route(f"{conversation}/send_message/", self.send, methods=["POST"]),
                Route(f"{conversation}/stream/", self.follow),
                Route(f"{conversation}/", self.told),
                Route("/api/chat/runs/{run}/stream/", self.replay),
                Route("/api/chat/runs/{run}/", self.status),
            ]
        )
        transport = httpx.AsyncHTTPTransport(verify=False, trust_env=False)
        async with (
            running(app, graceful_s=1, lifespan="off") as base_url,
            httpx.AsyncClient(base_url=base_url, transport=transport, trust_env=False) as http,
        ):
            yield http


async def _body(frames: list[bytes]) -> AsyncIterator[bytes]:
    """An empty piece stands for a run that goes on for ever."""
    for piece in frames:
        if not piece:
            await asyncio.Event().wait()
        yield piece
