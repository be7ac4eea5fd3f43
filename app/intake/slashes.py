"""Both forms of an address, `/api/x` and `/api/x/`, without a redirect.

The Voyage frontend's proxy takes the slash off every GET and puts it back on everything else; a redirect would cost
a round trip, and the body of a POST.
"""

from typing import Final, final

from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX: Final = "/api/"


@final
class Slashes:
    """ASGI middleware: adds the slash that the routes are declared with."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(_PREFIX) and not scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"] + "/", "raw_path": scope.get("raw_path", b"") + b"/"}
        await self._app(scope, receive, send)
