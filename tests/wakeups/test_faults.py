"""What becomes of hints while the server is away: they cost time, and nothing raises."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from structlog.testing import capture_logs

from app.wakeups.valkey import ValkeyWakeups
from tests.valkey_server import ValkeyServer
from tests.wakeups.replicas import HEARD_S, Replicas, reaches, settled

FAULT_S: Final = 4.0
"""2 s are promised, and `test_what_is_promised_fits_the_times` adds up; a busy machine may need longer."""
PASSWORD: Final = "hunter2-hunter2"
Break = Callable[[ValkeyServer], None]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def events(lines: list[Any]) -> list[str]:
    return [line["event"] for line in lines]


async def away(replica: ValkeyWakeups) -> None:
    async with asyncio.timeout(FAULT_S):
        await reaches(replica, wanted=False)


async def back(replica: ValkeyWakeups) -> None:
    async with asyncio.timeout(FAULT_S):
        await reaches(replica)


@asynccontextmanager
async def listening(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    """Give `host:port` of a server on loopback whose connections `serve` has; the end closes them all."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await server.wait_closed()


@pytest.mark.parametrize(
    ("fail", "mend"),
    [
        pytest.param(ValkeyServer.stop, ValkeyServer.start, id="killed"),
        pytest.param(ValkeyServer.hang, ValkeyServer.resume, id="hung"),
    ],
)
async def test_a_server_that_goes_away_and_comes_back(
    own_valkey: ValkeyServer, replicas: Replicas, fail: Break, mend: Break
) -> None:
    one, two = await replicas.pair(own_valkey)
    missed = replicas.watch(two, "run:1")
    idle = replicas.watch(one, "run:2")

    with capture_logs() as lines:
        fail(own_valkey)
        await asyncio.gather(away(one), away(two))
        assert await missed.wait(0), "a reader must learn that it has to look more often"
        assert await idle.wait(0)
        assert events(lines) == ["wakeups_away"] * 2

        one.tell("run:1")
        one.tell("run:2")
        assert await idle.wait(0), "watches of this process need no server"

        mend(own_valkey)
        await asyncio.gather(back(one), back(two))
        assert await missed.wait(HEARD_S)
        assert await idle.wait(0), "every watch is told after a reconnect"
        await settled(one, two)
        await settled(two, one)

    assert events(lines) == ["wakeups_away"] * 2 + ["wakeups_back"] * 2
    assert {line.get("reason") for line in lines} <= {"closed", "refused", "timeout", "no_file", None}


@pytest.mark.parametrize("kind", ["url", "unix_url"])
async def test_a_server_that_is_not_there_yet(own_valkey: ValkeyServer, replicas: Replicas, kind: str) -> None:
    own_valkey.stop()

    with capture_logs() as lines:
        replica = await replicas.begin(getattr(own_valkey, kind))
        watch = replicas.watch(replica, "run:1")
        assert await watch.wait(HEARD_S)
        assert not replica.reaches_others
        replica.tell("run:1")
        assert await watch.wait(0)
        own_valkey.start()
        await back(replica)

    assert [(line["event"], line.get("reason")) for line in lines] == [
        ("wakeups_away", "refused"),
        ("wakeups_back", None),
    ]


async def test_a_server_that_accepts_and_never_answers(own_valkey: ValkeyServer, replicas: Replicas) -> None:
    own_valkey.hang()

    with capture_logs() as lines:
        replica = await replicas.begin(own_valkey.url)
        watch = replicas.watch(replica, "run:1")
        assert await watch.wait(HEARD_S)
        assert lines == [{"event": "wakeups_away", "reason": "timeout", "log_level": "warning"}]
        own_valkey.resume()
        await back(replica)


async def test_closing_while_the_server_hangs_takes_no_longer(own_valkey: ValkeyServer, replicas: Replicas) -> None:
    one, _ = await replicas.pair(own_valkey)
    own_valkey.hang()
    one.tell("run:1")

    async with asyncio.timeout(FAULT_S):
        await one.close()


async def test_flushing_changes_nothing(own_valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(own_valkey)

    with capture_logs() as lines:
        own_valkey.flush()
        await settled(one, two)
        await settled(two, one)

    assert lines == []


async def test_a_connection_that_was_closed_while_it_was_idle(own_valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(own_valkey)
    await settled(one, two)

    with capture_logs() as lines:
        own_valkey.ask("CLIENT", "KILL", "TYPE", "NORMAL")
        await settled(one, two)

    assert lines == []


async def test_a_subscription_that_is_cut(own_valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(own_valkey)

    with capture_logs() as lines:
        own_valkey.ask("CLIENT", "KILL", "TYPE", "PUBSUB")
        await asyncio.gather(away(one), away(two))
        await asyncio.gather(back(one), back(two))
        await settled(one, two)

    assert sorted(events(lines)) == ["wakeups_away"] * 2 + ["wakeups_back"] * 2


async def test_a_server_that_takes_no_publications(own_valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(own_valkey)
    watch = replicas.watch(two, "run:1")
    own_valkey.ask("ACL", "SETUSER", "default", "-publish")

    with capture_logs() as lines:
        one.tell("run:1")
        await away(one)
        own_valkey.ask("ACL", "SETUSER", "default", "+publish")
        await back(one)
        assert await watch.wait(HEARD_S)

    assert [(line["event"], line.get("reason")) for line in lines] == [
        ("wakeups_away", "denied"),
        ("wakeups_back", None),
    ]


async def test_signing_in(replicas: Replicas) -> None:
    with ValkeyServer("--requirepass", PASSWORD) as server:
        with capture_logs() as lines:
            for url in (server.url, server.url.replace("://", "://:wrong-password@")):
                watch = replicas.watch(await replicas.begin(url), "run:1")
                assert await watch.wait(HEARD_S)
        one = await replicas.open(server.url.replace("://", f"://:{PASSWORD}@"))
        two = await replicas.open(server.unix_url.replace("://", f"://default:{PASSWORD}@"))
        await settled(one, two)

    assert events(lines) == ["wakeups_away"] * 2
    assert lines[1] == {"event": "wakeups_away", "reason": "denied", "log_level": "warning"}
    assert "wrong-password" not in repr(lines)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*1\r\n*x\r\n", b"x" * 300_000, b""],
    ids=["http", "bad", "long", "end"],
)
async def test_something_else_that_answers(replicas: Replicas, own_valkey: ValkeyServer, answer: bytes) -> None:
    del own_valkey

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await writer.drain()

    with capture_logs() as lines:
        async with listening(serve) as address:
            replica = await replicas.begin(f"redis://:{PASSWORD}@{address}")
            watch = replicas.watch(replica, "run:1")
            assert await watch.wait(HEARD_S)
            replica.tell("run:1")
            assert await watch.wait(0)
        await replica.close()

    assert events(lines) == ["wakeups_away"]
    assert PASSWORD not in repr(lines)
    assert address not in repr(lines)


async def test_tls(own_valkey: ValkeyServer, replicas: Replicas, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # of pyOpenSSL, which is not here

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(own_valkey.socket)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, inner_writer))
                group.create_task(_copy(inner_reader, writer))
        except* ConnectionAbortedError:
            pass
        finally:
            inner_writer.close()

    async with listening(serve, tls=context) as address:
        one = await replicas.open(f"rediss://{address}?ssl_ca_certs={tmp_path / 'ca.pem'}")
        two = await replicas.open(own_valkey.url)
        await settled(one, two)
        await settled(two, one)
        with capture_logs() as lines:
            watch = replicas.watch(await replicas.begin(f"rediss://{address}"), "run:1")
            assert await watch.wait(HEARD_S)
        assert [line["reason"] for line in lines] == ["tls"]
        await one.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
        await writer.drain()
    raise ConnectionAbortedError
