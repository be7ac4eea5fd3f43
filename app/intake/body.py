"""Intake of request bodies: type, encoding, size, time and strict JSON, checked before any route runs."""

import asyncio
from email.message import Message as Header
from typing import Final, final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import InvalidInput
from app.intake.refuse import refuse
from app.intake.strict_json import WHOLE_BODY, loads

_UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_JSON: Final = "application/json"
_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})


@final
class BodyIntake:
    """ASGI middleware: hands on a complete, valid JSON body or none; everything else is answered here.

    Reading never goes on after `max_bytes`, nor longer than `seconds`.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, seconds: float) -> None:
        """Wrap `app`."""
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in _UNSAFE or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._take(Headers(scope=scope), receive)
        except InvalidInput as error:
            await refuse(error, scope, receive, send)
            return
        if body is None:
            return
        if body:
            loads(body)
        await self._app(scope, _replay(body, receive), send)

    async def _take(self, headers: Headers, receive: Receive) -> bytes | None:
        _check_type(headers)
        if int(headers.get("content-length", "0")) > self._max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(receive)
        except TimeoutError:
            message = f"The body did not arrive within {self._seconds:g} s."
            raise _refused(message, "Send it again over a faster connection.", status=408) from None

    async def _read(self, receive: Receive) -> bytes | None:
        """Give the body, or None when the caller has gone."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> InvalidInput:
        message = f"The body is larger than {self._max_bytes} bytes."
        return _refused(message, "Send a shorter one.", status=413)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _check_type(headers: Headers) -> None:
    if headers.get("content-type") == _JSON and "content-encoding" not in headers:
        return  # what nearly everybody sends; the parser takes longer than all else here
    given = Header()
    given["content-type"] = headers.get("content-type", "")
    charset = str(given.get_param("charset", "")).lower()
    if headers.get("content-type") is None or given.get_content_type() != _JSON:
        message = "The body must be JSON."
        raise _refused(message, "Send it with the header Content-Type: application/json.", status=415)
    if charset not in _CHARSETS:
        message = "The body must be UTF-8."
        raise _refused(message, "Encode it as UTF-8 and leave the charset out.", status=415)
    if headers.get("content-encoding", "identity").lower() != "identity":
        message = "A compressed body is not accepted."
        raise _refused(message, "Send it without Content-Encoding.", status=415)


def _refused(message: str, action: str, *, status: int) -> InvalidInput:
    return InvalidInput(message, action=action, http_status=status, fields={WHOLE_BODY: [f"{message} {action}"]})


def _replay(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return first.pop() if first else await receive()

    return replayed
