"""`llm-gateway serve`: the gateway in production, and the server that `dev` runs too."""

import asyncio
import contextlib
import math
import os
import resource
import socket
import sys
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import FrameType
from typing import Any, ClassVar, Final, Never

import orjson
import uvicorn
from fastapi import FastAPI
from typing_extensions import override
from uvicorn.loops.auto import auto_loop_factory
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.db.migrate import current_revision_is_head, upgrade
from app.db.session import Database
from app.errors import ConfigError, ErrorBody, InvalidInput, StorageUnavailable
from app.main import create_app
from app.settings import Settings

MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together, give or take one slice."""
_SLICE: Final = 16 * 1024
HEAD_SECONDS: Final = 10.0
"""From an open connection, or the first byte of a later request, to the end of the headers."""
LINGER_SECONDS: Final = 2.0
"""How long a refused client may take to hear so."""
AFTER_GRACE_SECONDS: Final = 5
"""What open responses get after the runs' own grace, to send their last event."""
_REASONS: Final = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class PortTaken(ConfigError):
    """The port cannot be bound: the machine's state is wrong, not the configuration, so it may be tried again."""

    exit_code: ClassVar[int] = 1


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with two limits it has not: how large a request's head may be and how long it may take."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own arguments, passed on
        """Take what uvicorn gives."""
        super().__init__(*args, **kwargs)
        self._reading_head = False
        self._head_bytes = 0
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        # In slices, as one read may hold more than a head may have.
        for start in range(0, len(data), _SLICE):
            if self._refused or self.transport.is_closing():
                return
            piece, waiting = data[start : start + _SLICE], self._reading_head
            super().data_received(piece)
            if waiting and self._reading_head:
                self._head_bytes += len(piece)
            if self._head_bytes > MAX_HEAD_BYTES:
                text = f"The headers are larger than {MAX_HEAD_BYTES} bytes."
                self._refuse(431, text, "Send fewer or shorter headers.")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading_head = True
        self._await_head()

    @override
    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg, "Send a valid HTTP/1.1 request.")

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _head_is_here(self) -> None:
        self._reading_head, self._head_bytes = False, 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._refuse(408, f"The request did not arrive within {HEAD_SECONDS:g} seconds.", "Send it again.")

    def _refuse(self, status: int, message: str, action: str) -> None:
        """Answer below the app, in the same shape as the app, and close; nothing further is read."""
        self._head_is_here()
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if self.pipeline or (self.cycle and not self.cycle.response_complete):
            self.transport.close()  # anything written now would land inside another answer
            return
        request_id = uuid.uuid4().hex
        error = InvalidInput(message, action=action, http_status=status)
        body = ErrorBody(error=error, request_id=request_id).as_dict()
        self.transport.write(_response(status, orjson.dumps(body), request_id))
        # Closing while the client still sends would reset the connection, and the answer would be lost with it.
        self.transport.write_eof()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.close)


class GatewayServer(uvicorn.Server):
    """uvicorn that opens the app before it listens, and tells it to drain as the first thing at a signal.

    The app's lifespan runs here instead of in uvicorn, so that what it raises arrives as it is, without a traceback
    in the log.
    """

    def __init__(self, app: FastAPI, settings: Settings, *, on_ready: Callable[[], None] | None = None) -> None:
        """Take the app; `on_ready` is called once the sockets listen."""
        super().__init__(_config(app, settings))
        self._app = app
        self._on_ready = on_ready
        self._opened = AsyncExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self._app.router.lifespan_context(self._app))
            await super().startup(sockets)
            self._opened = opening.pop_all()
        if self._on_ready is not None:
            self._on_ready()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().shutdown(sockets)
        finally:
            await self._opened.aclose()
            # uvicorn would now raise the signal again: a shutdown that went well would look like a death.
            self._captured_signals.clear()

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # A signal may arrive inside any line of the loop, so the app hears of it between two of them.
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_shutdown)
        super().handle_exit(sig, frame)

    def _begin_shutdown(self) -> None:
        services = getattr(self._app.state, "services", None)
        if services is not None:
            services.begin_shutdown()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Give uvloop where it is installed, asyncio's own loop elsewhere."""
    return auto_loop_factory()


def listen(settings: Settings) -> socket.socket:
    """Bind `host` and `port`; `ConfigError` names the variable to change when that is not possible."""
    host, port = settings.host, settings.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except socket.gaierror:
        message = f"GATEWAY_HOST: {host} is no address of this machine."
        raise ConfigError(message) from None
    except OSError as failure:
        reason = os.strerror(failure.errno or 0).lower()
        message = f"Port {port} on {host}: {reason}. Set GATEWAY_PORT to another one, e.g. GATEWAY_PORT={port + 1}."
        raise PortTaken(message) from None


def serve(settings: Settings) -> None:
    """Check that this is fit for production, then serve; raises `ConfigError` with what to set or to run."""
    _check(settings)
    # A core file would hold opened keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asyncio.run(_check_database(settings.database_url))
    listener = listen(settings)
    with contextlib.closing(listener), asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(GatewayServer(create_app(settings), settings).serve(sockets=[listener]))
        leave()


def leave() -> Never:
    """End the process with 0, now that the server has closed everything, without the interpreter's own clean-up.

    That one stops the thread which may still import litellm, together with the import locks it holds. Objects of
    litellm import modules when they are deleted, and would then wait for those locks for ever.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def upgrade_database(settings: Settings) -> None:
    """Bring the database to this version's tables; raises `StorageUnavailable` when it does not answer."""
    asyncio.run(_ping(settings.database_url))
    upgrade(settings.database_url)


def _check(settings: Settings) -> None:
    if settings.dev:
        message = "GATEWAY_DEV is set: `serve` never lets callers in unasked. Unset it, or run `llm-gateway dev`."
        raise ConfigError(message)
    if settings.credential_keys is None and settings.field_encryption_key is None:
        message = (
            "No key to seal provider keys with: set GATEWAY_CREDENTIAL_KEYS_FILE to a file with the output of "
            "`llm-gateway keys generate`, or FIELD_ENCRYPTION_KEY to Voyage's key."
        )
        raise ConfigError(message)
    if settings.auth_tokens is None:
        message = "Nobody could sign in: set GATEWAY_AUTH_TOKENS_FILE to a file with lines of user:token."
        raise ConfigError(message)


async def _ping(url: str) -> None:
    async with open_database(url) as database:
        await database.ping()


async def _check_database(url: str) -> None:
    async with open_database(url) as database, database.read() as session:
        ready = await current_revision_is_head(session)
    if not ready:
        message = "The database has not the tables of this version: run `llm-gateway migrate` first."
        raise ConfigError(message)


@asynccontextmanager
async def open_database(url: str) -> AsyncGenerator[Database]:
    """Open the database for the block; `StorageUnavailable` then names the setting."""
    database = Database.open(url)
    try:
        yield database
    except StorageUnavailable:
        message = "The database that GATEWAY_DATABASE_URL names cannot be used."
        raise StorageUnavailable(message, action="Is it running, and are address and password right?") from None
    finally:
        await database.close()


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # Nothing says whom to believe, so nobody is: the peer's address is the client's.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace_seconds) + AFTER_GRACE_SECONDS,
    )


def _response(status: int, body: bytes, request_id: str) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
