"""Ways in which Voyage fails, played instead of its answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

PAGE = '<!doctype html>\n<html lang="en"><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n'
TRAP = "/redirected/"
"""Where `Trouble.redirect` points: everybody is user 666 there."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Fails every request, or only those whose path begins with `path`; None from `play` lets the request through."""

    play: Callable[[web.Request], Awaitable[web.StreamResponse | None]]
    path: str = "/"

    def applies(self, path: str) -> bool:
        return path.startswith(self.path)

    @classmethod
    def status(cls, status: int, *, path: str = "/") -> Self:
        """Django's page for an unhandled failure, or a proxy's: HTML with this status."""
        return cls.html(status, path=path)

    @classmethod
    def html(cls, status: int = 200, *, path: str = "/") -> Self:
        """A page where JSON is expected."""

        async def play(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=PAGE.format(f"Page {status}"), content_type="text/html")

        return cls(play, path)

    @classmethod
    def json(cls, body: Any, *, status: int = 200, path: str = "/") -> Self:
        """Well-formed JSON of any shape."""

        async def play(_: web.Request) -> web.StreamResponse:
            return web.json_response(body, status=status)

        return cls(play, path)

    @classmethod
    def throttled(cls, retry_after: int | str | None = 86400, *, path: str = "/") -> Self:
        """The refusal of a caller without budget; without the header when `retry_after` is None."""

        async def play(_: web.Request) -> web.StreamResponse:
            return throttled(retry_after)

        return cls(play, path)

    @classmethod
    def redirect(cls, location: str = TRAP, *, status: int = 302, path: str = "/") -> Self:
        """Point elsewhere, as a login page in front of Voyage does; who follows is user 666."""

        async def play(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": location})

        return cls(play, path)

    @classmethod
    def garbage(cls, *, path: str = "/") -> Self:
        """Bytes that claim to be JSON and are not."""

        async def play(_: web.Request) -> web.StreamResponse:
            return web.Response(body=b'{"status":200,"data":\xff\x00', content_type="application/json")

        return cls(play, path)

    @classmethod
    def huge(cls, size: int = 8_000_000, *, path: str = "/") -> Self:
        """A JSON string of `size` characters."""

        async def play(_: web.Request) -> web.StreamResponse:
            return web.json_response("x" * size)

        return cls(play, path)

    @classmethod
    def hang(cls, *, path: str = "/") -> Self:
        """Say nothing until the caller leaves or the fake closes."""
        return cls.hold(asyncio.Event(), path=path)

    @classmethod
    def hold(cls, gate: asyncio.Event, *, path: str = "/") -> Self:
        """Wait for `gate`, then answer as if nothing had been."""

        async def play(_: web.Request) -> web.StreamResponse | None:
            await gate.wait()
            return None

        return cls(play, path)

    @classmethod
    def cut(cls, *, path: str = "/") -> Self:
        """Close the connection within the body."""

        async def play(request: web.Request) -> web.StreamResponse:
            body = json.dumps({"status": 200, "data": {"user": {"id": 1, "username": "half"}}}).encode()
            response = await _begin(request, length=2 * len(body))
            await response.write(body)
            _close(request)
            return response

        return cls(play, path)

    @classmethod
    def reset(cls, *, path: str = "/") -> Self:
        """Close the connection without an answer."""

        async def play(request: web.Request) -> web.StreamResponse:
            _close(request)
            return web.Response()

        return cls(play, path)

    @classmethod
    def drip(cls, *, every_s: float = 0.02, path: str = "/") -> Self:
        """Send the headers and then a byte every `every_s` seconds, without end: no read is ever long in coming."""

        async def play(request: web.Request) -> web.StreamResponse:
            response = await _begin(request)
            while True:
                await response.write(b" ")
                await asyncio.sleep(every_s)

        return cls(play, path)


def signed_in(user_id: int, username: str) -> web.Response:
    """What the session endpoint says of somebody who is signed in."""
    user = {
        "id": user_id,
        "display": username,
        "has_usable_password": True,
        "email": f"{username}@voyage.test",
        "username": username,
    }
    methods = [{"method": "password", "at": 1795335620.5, "username": username}]
    return web.json_response(
        {"status": 200, "data": {"user": user, "methods": methods}, "meta": {"is_authenticated": True}}
    )


def throttled(retry_after: int | str | None) -> web.Response:
    """What every API view says when the caller's budget is spent."""
    if retry_after is None:
        return web.json_response({"detail": "Request was throttled."}, status=429)
    sentence = f"Request was throttled. Expected available in {retry_after} seconds."
    return web.json_response({"detail": sentence}, status=429, headers={"Retry-After": str(retry_after)})


async def _begin(request: web.Request, *, length: int | None = None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = length
    await response.prepare(request)
    return response


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
