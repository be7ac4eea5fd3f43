"""Which addresses a request may be sent to that nobody but its user vouches for.

A user's endpoint must not become a way into the network that the gateway stands in. What counts is the address that is
connected to, not how it was written; names and spellings are refused early only to say so early.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

from app.errors import AddressNotAllowed, Origin

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_METADATA: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "169.254.169.254/32",  # AWS, Google, Azure, OpenStack and others
        "169.254.170.0/24",  # AWS: task credentials
        "168.63.129.16/32",  # Azure: its own side of each machine, a public address by number
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google
    )
)
"""What hands out a machine's own credentials; no allow-list opens these."""
_METADATA_NAMES: Final = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
# https://www.iana.org/assignments/iana-ipv4-special-registry: what is not globally reachable, and what is no unicast.
_SPECIAL_V4: Final[tuple[IPv4Network, ...]] = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_UNICAST_V6: Final = IPv6Network("2000::/3")
"""All of IPv6 that IANA hands out for global use."""
# https://www.iana.org/assignments/iana-ipv6-special-registry, as far as it lies in there: protocol assignments with
# Teredo, ORCHID and benchmarking; documentation; 6to4, whose relays are gone.
_SPECIAL_V6: Final[tuple[IPv6Network, ...]] = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""How a network without IPv4 reaches it (RFC 6052): judged by the address inside."""
_PRIVATE_NAME: Final = re.compile(r"(?:.*\.)?(?:localhost|local|internal|localdomain|home\.arpa)")
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")


class ForbiddenAddress(OSError):
    """An address that this request may not be sent to; an `OSError`, so that a connector takes it for its own."""

    def __init__(self, address: str | None = None) -> None:
        """Name the address; none where only a name was refused: names are users' texts, and may stand in no log."""
        super().__init__("address not allowed")
        self.address = address


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Lets global unicast addresses pass, and the networks that the operator allows."""

    allowed: tuple[Network, ...] = ()
    public: bool = True
    """False: the allowed networks only."""

    @classmethod
    def of(cls, networks: Sequence[Network]) -> Self:
        """Give the guard for the operator's networks."""
        return cls(tuple(networks))

    def inside(self) -> Self:
        """Give the guard that lets the allowed networks pass only; for what goes out unencrypted."""
        return replace(self, public=False)

    def check_host(self, host: str) -> None:
        """Check a host as it stands in a URL, without brackets; a name that passes is yet to be resolved.

        Raises `ForbiddenAddress`, also for the spellings of IPv4 that only some programs take for an address
        (`127.1`, `2130706433`, `0x7f.1`, `0177.0.0.1`).
        """
        name = host.lower().rstrip(".")
        literal = parse(host)
        if literal is not None:
            self._check(literal)
        elif (
            not name
            or name in _METADATA_NAMES
            or _PRIVATE_NAME.fullmatch(name)
            or _NUMBER.fullmatch(name.rpartition(".")[2])
        ):
            raise ForbiddenAddress

    def check(self, address: str) -> None:
        """Check what is connected to, in its numeric form; raises `ForbiddenAddress`."""
        parsed = parse(address)
        if parsed is None:
            raise ForbiddenAddress
        self._check(parsed)

    def permit(self, address: str, origin: Origin) -> None:
        """Do what `check` does; raises `AddressNotAllowed`."""
        try:
            self.check(address)
        except ForbiddenAddress:
            raise AddressNotAllowed(origin=origin) from None

    def _check(self, address: Address) -> None:
        meant = _meant(address)
        if _within(meant, _METADATA) or not (_within(meant, self.allowed) or (self.public and _is_public(meant))):
            raise ForbiddenAddress(str(address))


def parse(text: str) -> Address | None:
    """Give the address that `text` is the usual spelling of, a zone of IPv6 left off; None where it is none."""
    try:
        return ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None


def _meant(address: Address) -> Address:
    """Give the IPv4 address that an IPv6 one is only another form of."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not _within(address, _SPECIAL_V4)
    return address in _UNICAST_V6 and not _within(address, _SPECIAL_V6)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
