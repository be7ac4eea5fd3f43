"""One plain request through the transport, and a real socket that counts who comes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Final

from app.errors import GatewayError, Origin
from app.providers.address import AddressGuard
from app.providers.provider import Deadlines
from app.providers.transport import Transport

ORIGIN: Final = Origin(provider="test", label="Test Provider")
DEADLINES: Final = Deadlines(connect_s=1.0, first_token_s=2.0)
LOOPBACK: Final = AddressGuard.of([ip_network("127.0.0.0/8")])


async def get(
    transport: Transport,
    url: str,
    *,
    guarded: bool = True,
    headers: Mapping[str, str] | None = None,
    deadlines: Deadlines = DEADLINES,
) -> bytes:
    """Give the body that `url` answers with."""
    async with transport.request(
        "GET", url, headers=headers or {}, body=None, deadlines=deadlines, origin=ORIGIN, guarded=guarded
    ) as response:
        return await response.read(1_000_000)


async def code_of(transport: Transport, url: str, *, guarded: bool = True) -> str | None:
    """Give the code that a request ends with, None for an answer."""
    try:
        await get(transport, url, guarded=guarded)
    except GatewayError as error:
        return error.code
    return None


class Door:
    """A listening socket on 127.0.0.1 and one on ::1, on the same port; says `ok` to all who come."""

    def __init__(self) -> None:
        self.port = 0
        self.opened = 0
        """How many connections were ever accepted."""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def open_door() -> AsyncGenerator[Door]:
    door = Door()
    # One port for both families: a spelling that leads to either of them is then noticed.
    async with await asyncio.start_server(door.answer, "127.0.0.1", 0) as four:
        door.port = four.sockets[0].getsockname()[1]
        async with await asyncio.start_server(door.answer, "::1", door.port):
            yield door
