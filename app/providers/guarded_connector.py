"""A connector that connects to nothing but what a guard lets pass.

Every address of a name is checked in the answer that is then connected to: there is no second look-up that could
answer otherwise. The socket's own address is checked once more, as aiohttp resolves no literal addresses.
"""

import socket
import ssl
from typing import Final, Literal, final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from app.providers.address import AddressGuard

_KEEPALIVE_S: Final = 30.0
_AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


@final
class GuardedResolver(AbstractResolver):
    """Gives the addresses of a name if all of them may be connected to."""

    def __init__(self, guard: AddressGuard, resolver: AbstractResolver) -> None:
        """Ask `resolver`."""
        self._guard = guard
        self._resolver = resolver

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raise `ForbiddenAddress` where one address of `host` is not allowed, else what the resolver raises."""
        self._guard.check_host(host)
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            self._guard.check(each["host"])
        return found

    @override
    async def close(self) -> None:
        await self._resolver.close()


def open_connector(
    tls: ssl.SSLContext | Literal[True], guard: AddressGuard | None, resolver: AbstractResolver | None
) -> aiohttp.TCPConnector:
    """Give a pool of connections to what `guard` lets pass, to everything without one.

    Two guards need two pools: a connection that one of them allows must not serve a request under the other.
    """

    def checked_socket(info: _AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if guard is not None:
            guard.check(str(address[0]))
        return socket.socket(family, kind, protocol)

    if guard is not None:
        resolver = GuardedResolver(guard, resolver or aiohttp.ThreadedResolver())
    return aiohttp.TCPConnector(
        limit=0,  # the hub bounds the runs, and each holds one connection
        keepalive_timeout=_KEEPALIVE_S,
        ssl=tls,
        resolver=resolver,
        socket_factory=checked_socket,
    )
