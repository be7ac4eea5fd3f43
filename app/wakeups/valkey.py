"""Wake-ups between replicas over one pub/sub channel of a Valkey server; the only importer of redis-py."""

import asyncio
import random
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final, Protocol, Self, cast, final
from uuid import uuid4

import structlog
from redis.asyncio import ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from typing_extensions import override

from app.secret import Secret
from app.wakeups.local import Wakeups
from app.wakeups.outbox import Outbox
from app.wakeups.url import valkey_url_complaint

MAX_WAITING: Final = 10_000
"""How many topics are kept for others while the server is away."""
_TOPICS_PER_MESSAGE: Final = 256
_SEPARATOR: Final = " "
_ATTEMPT_S: Final = 0.9
"""For a connection with its sign-in, and for a publication. With the longest pause it is less than 2 seconds, in which
the server shall be found again."""
_QUIET_S: Final = 0.5
_MAX_UNANSWERED: Final = 2
"""After so many pings, each followed by a quiet time, the server is taken for lost. One would be too few: after a
pause of this process the clock is read before the socket."""
_CLOSE_S: Final = 0.2
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_STEADY_S: Final = 5.0
"""What held so long and then failed is tried again soon; what fails sooner, after a pause that grows."""

_log = structlog.stdlib.get_logger(__name__)


class _Connection(Protocol):
    """What is used of redis-py's connections, which have no types; one connects anew after `disconnect`."""

    @property
    def is_connected(self) -> bool: ...
    async def connect(self) -> None: ...
    async def disconnect(self) -> None: ...
    async def send_command(self, *words: str | bytes) -> None: ...
    def pack_commands(self, commands: Iterable[tuple[str | bytes, ...]]) -> list[bytes]: ...
    async def send_packed_command(self, command: list[bytes]) -> None: ...
    async def read_response(self, *, timeout: float | None = None, disconnect_on_error: bool = True) -> object: ...  # noqa: ASYNC109 - the library's


@final
class ValkeyWakeups(Wakeups):
    """Wakes the watches of all replicas that share a server and a prefix.

    Opening it waits for nothing: without the server it is as `Wakeups`, and it goes on looking for it. Every watch is
    told whenever `reaches_others` changes: hints may have been missed, and from now on it may have to look more often.
    """

    def __init__(self, url: Secret, *, prefix: str) -> None:
        """Take an address that `valkey_url_complaint` has nothing against, and what the channel's name begins with."""
        complaint = valkey_url_complaint(url.reveal())
        if complaint:
            raise ValueError(complaint)
        super().__init__()
        self._channel = f"{prefix}:wakeups"
        self._me = f"from:{uuid4().hex}"
        self._listener = _connection(url)
        self._speaker = _connection(url)
        self._outbox = Outbox(MAX_WAITING)
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._listens = asyncio.Event()
        self._speaks = True
        self._reaches: bool | None = None

    @override
    async def __aenter__(self) -> Self:
        """Start to listen and to publish."""
        self._tasks = (
            asyncio.create_task(_forever(self._listen, self._settle), name="wakeups: listen"),
            asyncio.create_task(_forever(self._publish, self._mute), name="wakeups: publish"),
        )
        return self

    @property
    @override
    def reaches_others(self) -> bool:
        """Whether hints go to and come from other replicas; if not, who waits looks at the database more often."""
        return bool(self._reaches)

    @override
    def tell(self, topic: str) -> None:
        """Wake every watch of `topic`, those of this process at once; never blocks, never raises."""
        super().tell(topic)
        self._outbox.add(topic)

    @override
    async def close(self) -> None:
        """Publish what still waits if the server is there, and end; takes two seconds at most."""
        tasks, self._tasks = self._tasks, ()
        await _end(tasks)
        if tasks and self._reaches and self._outbox:
            with suppress(RedisError, OSError):
                async with asyncio.timeout(_ATTEMPT_S):
                    await self._deliver()
        self._reaches = False
        await _hang_up(self._listener)
        await _hang_up(self._speaker)
        await super().close()

    async def _listen(self) -> None:
        """Hear what the others tell, until it fails."""
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                await _connect(self._listener)
                await self._listener.send_command("SUBSCRIBE", self._channel)
                await self._listener.read_response()
            self._listens.set()
            # A new connection is a new chance for the other one, too.
            self._speaks = True
            self._settle()
            await self._hear()
        finally:
            self._listens.clear()
            await _hang_up(self._listener)

    async def _hear(self) -> None:
        unanswered = 0
        while True:
            message = await self._listener.read_response(timeout=_QUIET_S, disconnect_on_error=False)
            if message is not None:
                unanswered = 0
                self._take_in(message)
            elif unanswered == _MAX_UNANSWERED:
                raise TimeoutError
            else:
                unanswered += 1
                async with asyncio.timeout(_ATTEMPT_S):
                    await self._listener.send_command("PING")
            # What has arrived already is read without waiting, so a burst would keep the loop to itself.
            await asyncio.sleep(0)

    def _take_in(self, message: object) -> None:
        match cast("list[object]", message):
            case [b"message", _, bytes() as payload]:
                sender, *topics = payload.decode(errors="replace").split(_SEPARATOR)
                if sender != self._me:
                    for topic in topics:
                        super().tell(topic)
            case _:
                return

    async def _publish(self) -> None:
        """Publish all topics that wait, once there are any and the server is there."""
        await self._outbox.filled()
        await self._listens.wait()
        await self._deliver()
        if self._listens.is_set():
            self._speaks = True
            self._settle()

    async def _deliver(self) -> None:
        with self._outbox.take() as topics:
            idle = self._speaker.is_connected
            try:
                await self._send(topics)
            except (RedisError, OSError):
                if not idle:
                    raise
                # A server or a proxy may close what was idle for long, and that shows only now.
                await self._send(topics)

    async def _send(self, topics: tuple[str, ...]) -> None:
        commands = [("PUBLISH", self._channel, payload) for payload in self._payloads(topics)]
        sent = False
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                await _connect(self._speaker)
                await self._speaker.send_packed_command(self._speaker.pack_commands(commands))
                for _ in commands:
                    await self._speaker.read_response()
            sent = True
        finally:
            if not sent:
                await _hang_up(self._speaker)

    def _payloads(self, topics: tuple[str, ...]) -> Iterator[bytes]:
        for start in range(0, len(topics), _TOPICS_PER_MESSAGE):
            # Encoded here: a topic that cannot be written must not fail, again and again, all that wait with it.
            words = (self._me, *topics[start : start + _TOPICS_PER_MESSAGE])
            yield _SEPARATOR.join(words).encode(errors="replace")

    def _mute(self, reason: str) -> None:
        """Note that a publication failed; without the listener it says nothing more than that one does."""
        if self._listens.is_set():
            self._speaks = False
            self._settle(reason)

    def _settle(self, reason: str = "") -> None:
        reaches = self._listens.is_set() and self._speaks
        if reaches == self._reaches:
            return
        if not reaches:
            _log.warning("wakeups_away", reason=reason)
        elif self._reaches is not None:
            _log.info("wakeups_back")
        self._reaches = reaches
        self._tell_all()


async def _forever(attempt: Callable[[], Awaitable[None]], failed: Callable[[str], None]) -> None:
    """Repeat `attempt`, with a pause after each that fails."""
    failures = 0
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            await attempt()
        except Exception as error:  # noqa: BLE001 - whatever it is, without this task hints would be gone for good
            failures = 0 if clock() - began > _STEADY_S else failures + 1
            failed(_reason(error))
            longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(failures, 10))
            await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 - so that replicas do not come all at once
        else:
            failures = 0


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel until they have ended: one cancellation can get lost within the library."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=2 * _CLOSE_S)


def _connection(url: Secret) -> _Connection:
    # redis-py does not know this scheme.
    scheme, _, rest = url.reveal().partition("://")
    address = f"{'redis' if scheme.lower() == 'valkey' else scheme}://{rest}"
    pool = ConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]  # untyped
        address,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,  # by default it reads a file to learn its own version
        socket_timeout=None,  # asyncio.wait_for, which it uses for this, may lose a cancellation before Python 3.12
        socket_connect_timeout=None,
    )
    return cast("_Connection", pool.make_connection())


async def _connect(connection: _Connection) -> None:
    if isinstance(connection, SSLConnection):
        # Kept there after the first time; reading the trust store takes 30 ms of CPU.
        load = cast("Callable[[], object]", connection.ssl_context.get)
        await asyncio.to_thread(load)
    await connection.connect()


async def _hang_up(connection: _Connection) -> None:
    with suppress(RedisError, OSError):
        async with asyncio.timeout(_CLOSE_S):
            await connection.disconnect()


_REASONS: Final = (
    (AuthenticationError, "denied"),
    (NoPermissionError, "denied"),
    (ResponseError, "error_answered"),
    (ssl.SSLError, "tls"),
    (ConnectionRefusedError, "refused"),
    (FileNotFoundError, "no_file"),
    (socket.gaierror, "no_address"),
    (TimeoutError, "timeout"),
    (RedisTimeoutError, "timeout"),
    (ConnectionError, "closed"),
    (OSError, "unreachable"),
    (RedisError, "closed"),
)
"""The first row that fits anywhere in the chain stands, so the special come first."""


def _reason(error: Exception) -> str:
    """Give one word for the log; the library's own texts have host and port in them."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for kind, reason in _REASONS:
        if any(isinstance(link, kind) for link in chain):
            return reason
    return type(error).__name__
