"""What passes the guard is public, or the operator's word; everything else is refused, however it is written."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.providers.address import AddressGuard, ForbiddenAddress
from tests.providers.addresses import FORBIDDEN_HOSTS

STRICT = AddressGuard()
IPV6 = st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(0x2000 << 112, 2**126 - 1).map(IPv6Address)
ADDRESSES = st.ip_addresses() | IPV6
EVERYTHING = AddressGuard.of([ip_network("0.0.0.0/0"), ip_network("::/0")])
"""Opens all that a network can open."""


def passes(guard: AddressGuard, host: str) -> bool:
    try:
        guard.check_host(host)
    except ForbiddenAddress:
        return False
    return True


@pytest.mark.parametrize("host", FORBIDDEN_HOSTS)
def test_no_spelling_of_a_forbidden_host_passes(host: str) -> None:
    assert not passes(STRICT, host.strip("[]"))


@pytest.mark.parametrize(
    "host",
    [
        *("93.184.216.34", "1.1.1.1", "9.255.255.255", "172.15.0.1", "172.32.0.1", "192.167.1.1", "100.63.0.1"),
        *("2606:4700::1111", "2a00:1450:4001::200e", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"),
        *("api.openai.com", "API.example.ORG.", "xn--bcher-kva.example", "internal.example.org", "local.example"),
        *("1.example.org", "0x.example", "a_b.example", "metadata.example.org"),
    ],
)
def test_what_is_public_passes(host: str) -> None:
    assert passes(STRICT, host)


@given(address=ADDRESSES)
@example(address=ip_address("192.88.99.1"))
@settings(max_examples=300)
def test_what_passes_is_global_unicast_by_another_list(address: IPv4Address | IPv6Address) -> None:
    if not passes(STRICT, str(address)):
        return
    meant = address
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address in ip_network("64:ff9b::/96")):
        meant = IPv4Address(int(address) & 0xFFFFFFFF)

    assert meant.is_global
    assert not meant.is_multicast
    assert not meant.is_reserved


@given(address=st.ip_addresses(v=4), zone=st.sampled_from(["", "%eth0", "%1"]))
@settings(max_examples=200)
def test_an_address_inside_of_ipv6_is_judged_as_itself(address: IPv4Address, zone: str) -> None:
    for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert passes(STRICT, f"{form}{zone}") is passes(STRICT, str(address))


@given(address=st.ip_addresses(v=4), other=st.ip_addresses(v=4), bits=st.integers(0, 32))
@example(address=ip_address("10.0.0.1"), other=ip_address("10.0.0.2"), bits=1)
@example(address=ip_address("10.0.0.1"), other=ip_address("10.0.0.2"), bits=2)
@settings(max_examples=200)
def test_the_operator_opens_their_networks_and_nothing_else(
    address: IPv4Address, other: IPv4Address, bits: int
) -> None:
    network = ip_network(f"{address}/{32 - bits}", strict=False)
    opened = passes(EVERYTHING, str(other)) and other in network

    assert passes(AddressGuard.of([network]), str(other)) is (passes(STRICT, str(other)) or opened)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "168.63.129.16", "metadata.google.internal"]
)
def test_no_network_opens_the_metadata_of_a_cloud(host: str) -> None:
    assert not passes(EVERYTHING, host)


def test_inside_means_the_operators_networks_only() -> None:
    guard = AddressGuard.of([ip_network("10.20.0.0/16")]).inside()

    assert passes(guard, "10.20.3.4")
    assert passes(guard, "::ffff:10.20.3.4")
    assert not passes(guard, "93.184.216.34")
    assert not passes(guard, "10.21.0.1")


def test_what_a_resolver_gives_must_be_an_address() -> None:
    for text in ("", "api.example.org", "127.1", "10.0.0.1", "fe80::1%eth0"):
        with pytest.raises(ForbiddenAddress):
            STRICT.check(text)
    STRICT.check("93.184.216.34")
