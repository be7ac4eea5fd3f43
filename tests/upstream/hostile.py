"""An upstream in a process of its own that plays what harms a careless client; the model's id says what.

`python -m tests.upstream.hostile` prints its port and ends with its standard input. What it sends, and the time that
this takes, is then nobody's but its own: a test can measure itself.
"""

import asyncio
import itertools
import sys
from collections.abc import Mapping
from typing import Final

from tests.upstream.exchange import Exchange
from tests.upstream.fault import Fault
from tests.upstream.faults import BY_NAME
from tests.upstream.recorded import Recorded
from tests.upstream.server import Reply, Upstream

_PIECE: Final = 65_536
_WRONG: Final = "invalid_provider_response"
_LATE: Final = "provider_timeout"


async def _endless_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        await exchange.send(b"x-%d: %s\r\n" % (number, b"v" * 4000))
        await exchange.flush()


async def _endless_small_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await exchange.send(b"a: b\r\n" * 10_000)
        await exchange.flush()


async def _endless_header_line(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nx-long: ")
    await _pour(exchange)


async def _endless_status_line(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 ")
    await _pour(exchange)


async def _endless_informal(exchange: Exchange) -> None:
    while True:
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 500)
        await exchange.flush()


async def _endless_trailers(exchange: Exchange) -> None:
    exchange.head()
    exchange.raw(b"0\r\n")
    while True:
        exchange.raw(b"x-trailer: v\r\n" * 1000)
        await exchange.flush()


async def _endless_chunk_extension(exchange: Exchange) -> None:
    exchange.head()
    exchange.raw(b"5;ext=")
    while True:
        exchange.raw(b"x" * _PIECE)
        await exchange.flush()


async def _endless_error(exchange: Exchange) -> None:
    exchange.head(500, "application/json")
    await exchange.send(b'{"error": {"message": "')
    await _pour(exchange)


async def _endless_page(exchange: Exchange) -> None:
    exchange.head(200, "text/html")
    await exchange.send(b"<!DOCTYPE html><html>")
    await _pour(exchange)


async def _endless_event(exchange: Exchange) -> None:
    """Many short lines of one event that never ends."""
    exchange.head()
    while True:
        await exchange.send(b"data: %b\n" % (b"x" * 58) * 1000)
        await exchange.flush()


async def _gzip_error(exchange: Exchange) -> None:
    exchange.head(500, headers={"content-encoding": "gzip"})
    await _pour(exchange)


async def _pour(exchange: Exchange) -> None:
    while True:
        await exchange.send(b"x" * _PIECE)
        await exchange.flush()


HOSTILE: Final[Mapping[str, Fault]] = {
    name: BY_NAME[name] for name in ("bigbody", "bighead", "gzipbomb", "endlessline", "html200", "endless", "pings")
} | {
    fault.name: fault
    for fault in (
        Fault("manyheaders", _endless_headers, _WRONG),
        Fault("smallheaders", _endless_small_headers, _WRONG),
        Fault("longheader", _endless_header_line, _WRONG),
        Fault("longstatus", _endless_status_line, _WRONG),
        Fault("informal", _endless_informal, _LATE),
        Fault("trailers", _endless_trailers, _WRONG),
        Fault("extension", _endless_chunk_extension, _LATE),
        Fault("longerror", _endless_error, "provider_internal_error"),
        Fault("longpage", _endless_page, _WRONG),
        Fault("longevent", _endless_event, _WRONG),
        Fault("gziperror", _gzip_error, "provider_internal_error"),
    )
}
"""By the id of the model that asks for it."""


def _reply(recorded: Recorded) -> Reply:
    return HOSTILE[recorded.model]


async def _serve() -> None:
    async with Upstream() as upstream:
        upstream.script = _reply
        sys.stdout.write(f"{upstream.base_url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
