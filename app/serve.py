"""`llm-gateway serve`: the gateway in production, and the server that `dev` runs too."""

import asyncio
import contextlib
import gc
import math
import os
import resource
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, Final, Never

import structlog
import uvicorn
from fastapi import FastAPI
from typing_extensions import override
from uvicorn.loops.auto import auto_loop_factory

from app.auth.csrf import parse_origins
from app.db.engine import sqlite_path
from app.db.revision import current_revision_is_head
from app.db.session import Database
from app.errors import ConfigError, StorageUnavailable
from app.intake.protocol import BoundedHttp
from app.main import create_app
from app.settings import AUTH_METHODS, Settings

SWITCH_S: Final = 0.0005
"""How long a thread keeps the interpreter from others that want it."""
AFTER_GRACE_SECONDS: Final = 5
"""What open responses get after the runs' own grace, to send their last event."""
KEEP_ALIVE_SECONDS: Final = 120
"""How long a connection may be idle. Proxies keep theirs for a while, Traefik for 90 seconds, and may send a request on
one that is just being closed: a POST is lost then, as it must not be repeated. So the proxy has to close first."""
SEND_BUFFER_BYTES: Final = 262_144
"""What the kernel takes for a client that reads nothing; left to itself it is 4 million, for each of them."""
_LOG: Final[Any] = structlog.get_logger(__name__)


class PortTaken(ConfigError):
    """The port cannot be bound: the machine's state is wrong, not the configuration, so it may be tried again."""

    exit_code: ClassVar[int] = 1


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
        _tune_the_interpreter()
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


def _tune_the_interpreter() -> None:
    """Keep two habits of the interpreter from stopping everybody under load.

    A full round of the garbage collector over the objects of the frameworks takes 130 ms, several times a minute. And
    a thread that has an answer of the database waits 5 ms for its turn beside a busy loop, at every visit.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    sys.setswitchinterval(SWITCH_S)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Give uvloop where it is installed, asyncio's own loop elsewhere."""
    return auto_loop_factory()


def listen(settings: Settings) -> socket.socket:
    """Bind `host` and `port`; `ConfigError` names the variable to change when that is not possible."""
    host, port = settings.host, settings.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except socket.gaierror:
        message = f"GATEWAY_HOST: {host} is no address of this machine."
        raise ConfigError(message) from None
    except OSError as failure:
        reason = os.strerror(failure.errno or 0).lower()
        message = f"Port {port} on {host}: {reason}. Set GATEWAY_PORT to another one, e.g. GATEWAY_PORT={port + 1}."
        raise PortTaken(message) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # its connections inherit it
    return listener


def serve(settings: Settings) -> None:
    """Check that this is fit for production, then serve; raises `ConfigError` with what to set or to run."""
    _check(settings)
    # A core file would hold opened keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asyncio.run(_check_database(settings.database_url))
    if settings.credential_keys is None and settings.field_encryption_key is None:
        _LOG.warning(
            "no_master_key",
            effect="users cannot store provider keys",
            remedy="set GATEWAY_CREDENTIAL_KEYS_FILE or FIELD_ENCRYPTION_KEY",
        )
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


def _check(settings: Settings) -> None:
    if settings.dev:
        message = "GATEWAY_DEV is set: `serve` never lets callers in unasked. Unset it, or run `llm-gateway dev`."
        raise ConfigError(message)
    wrong = _sign_in_complaint(settings)
    if wrong:
        raise ConfigError(wrong)


def _sign_in_complaint(settings: Settings) -> str:
    on, tokens = settings.auth_methods, settings.auth_tokens is not None
    if not on:
        known = ", ".join(AUTH_METHODS)
        return f"Nobody could sign in: set GATEWAY_AUTH_METHODS to one or more of {known}."
    if tokens != ("static_tokens" in on):
        return (
            "GATEWAY_AUTH_METHODS has static_tokens, but there are none: set GATEWAY_AUTH_TOKENS_FILE."
            if not tokens
            else "GATEWAY_AUTH_TOKENS is set, but GATEWAY_AUTH_METHODS has not static_tokens: add it or unset them."
        )
    if "voyage_session" in on and settings.voyage_url is None:
        return "GATEWAY_AUTH_METHODS has voyage_session: set GATEWAY_VOYAGE_URL to where Voyage's own server answers."
    if "voyage_session" in on and not parse_origins(settings.trusted_origins or ""):
        return "GATEWAY_AUTH_METHODS has voyage_session: set GATEWAY_TRUSTED_ORIGINS to the origin of the frontend."
    return ""


async def _check_database(url: str) -> None:
    async with open_migrated(url):
        pass


@asynccontextmanager
async def open_migrated(url: str) -> AsyncGenerator[Database]:
    """Open a database with the tables of this version for the block; raises `ConfigError` for any other."""
    path = sqlite_path(url)
    if path is not None and await asyncio.to_thread(_only_the_file_is_missing, path):
        message = "GATEWAY_DATABASE_URL: there is no such file yet: run `llm-gateway migrate` first."
        raise ConfigError(message)
    async with open_database(url) as database:
        async with database.read() as session:
            ready = await current_revision_is_head(session)
        if not ready:
            message = "The database has not the tables of this version: run `llm-gateway migrate` first."
            raise ConfigError(message)
        yield database


def _only_the_file_is_missing(path: Path) -> bool:
    """Whether `migrate` would make it, which a folder that is missing or closed does not let it."""
    return not path.exists() and os.access(path.parent, os.W_OK | os.X_OK)


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
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace_seconds) + AFTER_GRACE_SECONDS,
    )
