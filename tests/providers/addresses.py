"""Spellings of addresses that no user's endpoint may have, and a name server that answers as an attacker would."""

import itertools
import socket
from collections.abc import Iterator, Sequence
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

FORBIDDEN_HOSTS: Final[tuple[str, ...]] = (
    # This machine, as it is usually written.
    *("127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "0.0.0.0", "0.1.2.3", "localhost", "LOCALHOST"),  # noqa: S104 - what is refused
    *("localhost.", "api.localhost", "localhost.localdomain", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]"),
    # As only some programs take it: decimal, octal, hexadecimal, short, with a dot at the end.
    *("2130706433", "017700000001", "0x7f000001", "0X7F000001", "127.1", "127.0.1", "0177.0.0.1", "0177.1"),
    *("0x7f.0.0.1", "0x7f.1", "0x7f.0x0.0x0.0x1", "127.0.0.01", "127.000.000.001", "127.0.0.1.", "127.1.", "0", "0x0"),
    *("2130706433.", "127.0.0.0x1", "3232235521", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "00000127.0.0.1"),
    # The same inside of IPv6: mapped, compatible, NAT64, 6to4, Teredo.
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::FFFF:10.0.0.1]", "[::127.0.0.1]"),
    *("[::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]"),
    *("[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2002:c0a8:1::1]", "[2001::1]", "[2001:0:7f00:1::]"),
    # Private, shared, link-local, multicast, reserved, for documentation and measurements.
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.254"),
    *("169.254.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "[fc00::1]", "[fd12:3456::1]", "[fe80::1]"),
    *("[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "[::ffff:0:0]"),
    # What hands out the credentials of the machine.
    *("169.254.169.254", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]", "[fd20:ce::254]", "100.100.100.200", "192.0.0.192"),
    *("168.63.129.16", "169.254.170.2", "metadata.google.internal", "METADATA.google.internal.", "metadata"),
    *("instance-data", "metadata.goog", "anything.internal", "printer.local", "router.home.arpa"),
)
"""As they stand in a URL."""

FORBIDDEN_AUTHORITIES: Final[tuple[str, ...]] = (
    # A user name before the host, and what other parsers take for one or for its end.
    *("api.example.org@127.0.0.1", "user:word@127.0.0.1", "127.0.0.1:80@api.example.org", "@127.0.0.1"),
    *("127.0.0.1\\@api.example.org", "api.example.org\\@127.0.0.1", "api.example.org#@127.0.0.1", "127.0.0.1#"),
    *("api.example.org%40127.0.0.1", "api.example.org%2f@127.0.0.1", "127.0.0.1\t", "127.0\t.0.1", "127.0.0.1\r\nX: y"),
    *("127.0.0.1 api.example.org", " 127.0.0.1", "127.0.0.1\x00.example.org", "127.0.0.1%00.example.org"),
    # Zones, and letters and digits that become ASCII in an international name.
    *("[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%1]", "[::1%251]", "①②⑦.⓪.⓪.①", "127。0。0。1", "𝟏𝟐𝟕.𝟎.𝟎.𝟏"),
    *(
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "loc\u00adalhost",
        "127.0.0.\uff11",
        "127\uff0e0.0.1",
        "[::ffff:127.0.0.①]",
        "[::1",
        "::1",
        "127.0.0.1]",
    ),
    *("", ":80", "[]", "127.0.0.1:99999999", "127.0.0.1:-1", "127.0.0.1:http"),
)
"""What may stand between `https://` and the path, and must not be connected to either."""


class Names(AbstractResolver):
    """Every name has the next of these answers; each look-up takes one, and the last one sticks."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.asked: list[str] = []
        self._answers: Iterator[Sequence[str]] = itertools.chain(answers, itertools.repeat(answers[-1]))

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the port's signature
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [_result(host, address, port) for address in next(self._answers)]

    async def close(self) -> None:
        return


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST
    )
