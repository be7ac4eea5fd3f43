import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.intake.body import BodyIntake
from app.intake.failures import Failures
from app.intake.request_id import RequestId
from tests.server import running

JSON = {"Content-Type": "application/json"}
MAX_BYTES = 1000


@dataclass
class Echo:
    """Answers with what it was given, and counts."""

    asked: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        request = Request(scope, receive)
        body = await request.body()
        if scope["path"] == "/wait":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.set()
            return
        await JSONResponse({"got": body.decode()})(scope, receive, send)


@asynccontextmanager
async def _serving(seconds: float = 5.0) -> AsyncGenerator[tuple[Echo, httpx.AsyncClient]]:
    echo = Echo()
    app = RequestId(Failures(BodyIntake(echo, max_bytes=MAX_BYTES, seconds=seconds)))
    async with running(app, lifespan="off") as base_url, httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
        yield echo, http


async def _raw(http: httpx.AsyncClient, *parts: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = urlsplit(str(http.base_url))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    for part in parts:
        writer.write(part)
    await writer.drain()
    return reader, writer


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """Read to the end of the connection."""
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"x-request-id: " in head
    assert b"connection: close" in head
    return int(head.split()[1]), orjson.loads(body)


async def test_a_whole_body_is_handed_on() -> None:
    async with _serving() as (_, http):

        async def pieces() -> AsyncIterator[bytes]:
            for piece in (b'{"a"', b": ", b"1}"):
                yield piece

        for content in (b'{"a": 1}', pieces()):
            assert (await http.post("/", content=content, headers=JSON)).json() == {"got": '{"a": 1}'}
        charset = {"Content-Type": 'Application/JSON; Charset="UTF-8"'}
        assert (await http.post("/", content=b"{}", headers=charset)).json() == {"got": "{}"}
        exact = b'"' + b"x" * (MAX_BYTES - 2) + b'"'
        assert (await http.put("/", content=exact, headers=JSON)).status_code == 200
        for method in ("POST", "PUT", "PATCH", "DELETE", "GET"):
            assert (await http.request(method, "/")).json() == {"got": ""}
        assert (await http.post("/", content=b"", headers={"Content-Type": "text/html"})).json() == {"got": ""}


async def test_reading_stops_at_the_limit() -> None:
    async with _serving() as (echo, http):
        for content in (b"x" * (MAX_BYTES + 1), b"x" * 2_000_000):
            response = await http.post("/", content=content, headers=JSON)
            assert response.status_code == 413
            assert response.headers["connection"] == "close"
            assert str(MAX_BYTES) in response.json()["error"]
        assert echo.asked == 0


async def test_an_endless_body_is_answered_at_once_and_then_cut() -> None:
    chunk = b"2710\r\n" + b" " * 10_000 + b"\r\n"
    async with _serving() as (echo, http):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        reader, writer = await _raw(http, head, chunk)
        async with asyncio.timeout(1):
            assert (await reader.readuntil(b"}}")).startswith(b"HTTP/1.1 413 ")
        sent = 0
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                while sent < 200_000_000:
                    writer.write(chunk)
                    await writer.drain()
                    sent += len(chunk)
        assert sent < 200_000_000
        assert echo.asked == 0


async def test_the_answer_survives_a_caller_who_sends_everything_first() -> None:
    async with _serving() as (echo, http):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 12000000\r\n\r\n"
        reader, writer = await _raw(http, head, b" " * 12_000_000)
        status, _ = await _answer(reader)

        assert status == 413
        writer.close()
        assert echo.asked == 0


async def test_a_declared_length_is_refused_before_anything_is_sent() -> None:
    async with _serving() as (echo, http):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1001\r\n"
        reader, writer = await _raw(http, head, b"Expect: 100-continue\r\n\r\n")
        async with asyncio.timeout(1):
            answer = await reader.readuntil(b"}}")

        assert answer.startswith(b"HTTP/1.1 413 ")
        writer.close()
        assert echo.asked == 0


async def test_a_late_body_is_given_up() -> None:
    async with _serving(seconds=0.1) as (echo, http):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
        reader, writer = await _raw(http, head, b'{"a')
        status, body = await _answer(reader)

        assert (status, body["error_category"]) == (408, "validation_error")
        assert "0.1 s" in body["error"]
        writer.close()
        assert echo.asked == 0


async def test_a_caller_who_leaves_while_sending_is_nobodys_failure(capfd: pytest.CaptureFixture[str]) -> None:
    async with _serving() as (echo, http):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
        _, writer = await _raw(http, head, b'{"a')
        writer.close()
        await writer.wait_closed()

        assert (await http.get("/")).status_code == 200
        assert echo.asked == 1
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_what_comes_after_the_body_reaches_the_application() -> None:
    async with _serving() as (echo, http):
        head = b"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        _, writer = await _raw(http, head)
        writer.close()
        async with asyncio.timeout(5):
            await echo.left.wait()


@pytest.mark.parametrize("length", ["abc", "-1", "1e3"])
async def test_a_length_that_is_no_number_never_reaches_us(length: str) -> None:
    async with _serving() as (echo, http):
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{}}"
        reader, writer = await _raw(http, head.encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()
        assert echo.asked == 0
