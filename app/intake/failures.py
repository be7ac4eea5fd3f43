"""The last resort: whatever leaves the application becomes a typed answer, and the connection stays usable."""

import traceback
from typing import Any, Final, final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import GatewayError, InternalError
from app.intake.answer import answer
from app.intake.request_id import request_id_of

_LOG: Final[Any] = structlog.get_logger(__name__)


@final
class Failures:
    """ASGI middleware: answers the typed errors of the middlewares within, and 500 for a bug."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises nothing, as the server would cut the connection for it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except GatewayError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - the one place where a bug becomes an answer
            _log_bug(error, method=scope["method"], response_started=started)
            failure = InternalError()
        else:
            return
        # A started response cannot become another one: returning leaves it incomplete and the server cuts it.
        if not started:
            await answer(failure, request_id=request_id_of(scope))(scope, receive, send)


def _log_bug(error: BaseException, **context: object) -> None:
    """Log where a bug struck and what led to it, without messages: those may quote what a person wrote."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    frames = traceback.extract_tb(error.__traceback__)
    _LOG.error(
        "unhandled_error",
        error_types=[type(link).__qualname__ for link in chain],
        where=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        **context,
    )
