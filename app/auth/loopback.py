"""Guard of the dev mode, which asks nobody who they are: only this machine's own pages and tools may call.

A page of another site can reach a server on the reader's machine, directly or by a host name that it has pointed
there (DNS rebinding). It cannot choose the Host and Origin headers, so those decide.
"""

import re
from typing import Final, final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Forbidden

_HOST: Final = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_ORIGIN: Final = re.compile(rf"https?://{_HOST.pattern}", re.IGNORECASE)


@final
class LoopbackGuard:
    """ASGI middleware: raises `Forbidden` for a foreign Host or Origin and for what a browser marks cross-site."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            _check(Headers(scope=scope))
        await self._app(scope, receive, send)


def _check(headers: Headers) -> None:
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        message = "In dev mode the Host header must be 127.0.0.1, localhost or [::1]."
        raise Forbidden(message, action="Open the gateway by its loopback address, or run it without dev mode.")
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        message = "In dev mode only pages of this machine may call."
        raise Forbidden(message, action="Serve the page from localhost, or run the gateway without dev mode.")
    if headers.get("sec-fetch-site", "").lower() == "cross-site":
        message = "In dev mode a request that another site caused is refused."
        raise Forbidden(message, action="Call the gateway from a page of this machine.")
