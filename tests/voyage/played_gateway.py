"""A stand-in for the gateway: answers by rote, so that the frontend's side is what is under test."""

import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Play = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PlayedGateway:
    """`async with`; answers an empty list to every question that has no answer."""

    def __init__(self) -> None:
        self.answers: dict[str, Play] = {}
        """By method and path, as in `GET /api/chat/providers`."""
        self.seen: list[str] = []
        """Method, path and query of each request."""
        self.headers: list[dict[str, str]] = []
        """Names in lower case."""
        self.bodies: list[bytes] = []
        self.base_url = ""
        self._runner: web.AppRunner | None = None

    def play(self, question: str, body: Any, status: int = 200) -> None:
        self.answers[question] = json_answer(body, status)

    @property
    def sent(self) -> list[Any]:
        """The JSON of each request that had any."""
        return [json.loads(body) for body in self.bodies if body]

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(await request.read())
        return await self.answers.get(f"{request.method} {request.path}", json_answer([], 200))(request)


def json_answer(body: Any, status: int, **headers: str) -> Play:
    """Names of headers are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def play(_: web.Request) -> web.StreamResponse:
        return web.json_response(None if status == 204 else body, status=status, headers=named)

    return play


def html_answer(status: int) -> Play:
    async def play(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<h1>Server Error</h1>", content_type="text/html", status=status)

    return play


def stream(*events: Any, end: Callable[[], Awaitable[None]] | None = None, cut: bool = False) -> Play:
    """Send the events, wait for `end`, then finish with the last event; or `cut` the connection instead."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        if end:
            await end()
        if not cut:
            await response.write(b"data: [DONE]\n\n")
        elif request.transport:
            request.transport.close()
        return response

    return play
