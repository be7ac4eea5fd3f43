"""The server below the app: the limits of a request's head, and the order of a shutdown."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import orjson
import pytest
from fastapi import FastAPI

from app import serve
from app.db.migrate import upgrade
from app.deps import Services
from app.errors import ConfigError
from app.intake import protocol
from app.intake.protocol import MAX_HEAD_BYTES
from app.main import create_app
from app.providers.model import Delta, ModelRequest
from app.serve import GatewayServer, PortTaken, listen
from app.settings import Settings
from app.vault import generate_key


def settings(place: Path) -> Settings:
    url = f"sqlite:///{place}/gateway.db"
    return Settings.model_validate(
        {"database_url": url, "port": 0, "dev": True, "credential_keys": generate_key(), "shutdown_grace_seconds": 0}
    )


LIVE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
TRAEFIK_IDLE_SECONDS = 90


class NoModel:
    """Calls nothing: these tests are about what is below the app."""

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        raise NotImplementedError


@asynccontextmanager
async def serving(place: Path) -> AsyncGenerator[tuple[FastAPI, int]]:
    chosen = settings(place)
    await asyncio.to_thread(upgrade, chosen.database_url)
    listener = listen(chosen)
    port = listener.getsockname()[1]
    ready = asyncio.Event()
    app = create_app(chosen, client=NoModel())
    server = GatewayServer(app, chosen, on_ready=ready.set)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(10):
            await ready.wait()
        yield app, port
    finally:
        server.should_exit = True
        async with asyncio.timeout(10):
            await running


async def say(port: int, *pieces: bytes) -> tuple[int, bytes]:
    """Send `pieces` and give the status and body of what comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def is_refusal(body: bytes, words: str) -> bool:
    said = orjson.loads(body)
    return said["error_category"] == "validation_error" and words in said["error"]


async def test_it_answers_and_says_no_name_of_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        answer = (await reader.read()).lower()
        writer.close()

    assert answer.startswith(b"http/1.1 200 ")
    assert b"\r\ndate: " in answer
    assert b"\r\nserver:" not in answer


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
async def test_a_head_that_is_too_large_is_refused_typed(tmp_path: Path, end: bytes) -> None:
    async with serving(tmp_path) as (_, port):
        lines = [b"x-%d: %s\r\n" % (number, b"a" * 1000) for number in range(MAX_HEAD_BYTES // 1000 + 100)]
        status, body = await say(port, b"GET / HTTP/1.1\r\nhost: localhost\r\n", *lines, end)

    assert status == 431
    assert is_refusal(body, "headers")


async def test_one_endless_header_is_refused_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, port):
        status, _ = await say(port, b"GET / HTTP/1.1\r\nx: ", b"a" * (MAX_HEAD_BYTES + 100_000))

    assert status == 431


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nhost: localhost\r\nx: "])
async def test_a_head_that_does_not_come_is_refused_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    async with serving(tmp_path) as (_, port):
        status, body = await say(port, start)

    assert status == 408
    assert is_refusal(body, "0.2 seconds")


async def test_no_http_is_refused_typed(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, port):
        status, body = await say(port, b"\x16\x03\x01 hello\r\n\r\n")

    assert status == 400
    assert is_refusal(body, "Invalid HTTP request")


async def test_a_large_body_is_no_large_head(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, port):
        head = b"POST /api/chat/conversations/ HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        body = b'{"title": "' + b"a" * 200 + b'"' + b" " * 2 * MAX_HEAD_BYTES + b"}"
        status, _ = await say(port, head + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body), body)

    assert status == 201


@pytest.mark.parametrize("more", [b"", b"\r\n", b"\r\n\r\n"])
async def test_an_idle_connection_is_closed_in_time_whatever_it_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    monkeypatch.setattr(serve, "KEEP_ALIVE_SECONDS", 0.5)
    async with serving(tmp_path) as (_, port), idle_connection(port) as (reader, writer):
        writer.write(more)
        async with asyncio.timeout(5):
            assert await reader.read() == b""


def test_an_idle_connection_outlives_a_proxys(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    assert GatewayServer(create_app(chosen, client=NoModel()), chosen).config.timeout_keep_alive > TRAEFIK_IDLE_SECONDS


async def test_an_idle_connection_slows_no_shutdown(tmp_path: Path) -> None:
    async with AsyncExitStack() as later:
        async with serving(tmp_path) as (_, port):
            reader, _ = await later.enter_async_context(idle_connection(port))
            began = time.monotonic()

        assert time.monotonic() - began < 2
        assert await reader.read() == b""


@asynccontextmanager
async def idle_connection(port: int) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Give a connection that has been answered once; it closes after the server, as a proxy's would."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(LIVE)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
        yield reader, writer
    finally:
        writer.close()


async def test_a_signal_drains_first_and_the_process_lives_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, _):
        services: Services = app.state.services
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            while not services.hub.stopping:  # noqa: ASYNC110 - the hub's own observable state
                await asyncio.sleep(0.01)


async def test_a_taken_port_names_the_variable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = settings(tmp_path).model_copy(update={"port": other.getsockname()[1]})
        with pytest.raises(PortTaken, match=r"already in use\. Set GATEWAY_PORT") as caught:
            listen(taken)

    assert caught.value.exit_code == 1


async def test_a_host_that_is_no_address_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="GATEWAY_HOST"):
        listen(settings(tmp_path).model_copy(update={"host": "no such host"}))
