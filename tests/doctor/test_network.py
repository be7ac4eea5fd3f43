"""A provider that is not reached: the stage is named, in time, with cause, remedy and the code of a message."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from app.doctor.diagnosis import Means, diagnose
from app.doctor.network import Names, Network
from app.doctor.report import Report
from app.errors import GatewayError, Origin, ProviderUnreachable
from app.providers.models_list import list_models
from app.providers.transport import Transport
from tests.doctor.cases import QUICK, case, look, provider, step, verdicts
from tests.doctor.site import KEY, api, open_server, open_site
from tests.upstream import refused_port

LATER = ("tcp", "tls", "http", "clock", "auth", "model", "stream", "tool_call")


def assert_stops_at(report: Report, name: str, code: str, *, cause: str, remedy: str) -> None:
    """Check that this step is the one failure, that those before it pass, and that those after it are skipped."""
    found, order = verdicts(report), list(verdicts(report))
    failed = step(report, name)
    assert (report.failed.name if report.failed else None) == name
    assert (failed["status"], failed["code"]) == ("fail", code)
    assert cause in failed["cause"]
    assert remedy in failed["remedy"]
    assert "fail" not in [found[other] for other in order if other != name]
    assert {found[other] for other in order[order.index(name) + 1 :]} == {"skip"}
    assert KEY not in str(report.as_dict())


async def code_of_a_request(base: str, *, tls: ssl.SSLContext | None = None) -> str:
    """Give the code that the transport itself fails with."""
    async with Transport(tls=tls) as transport:
        try:
            await list_models(transport, provider(base), None, seconds=2)
        except GatewayError as error:
            return error.code
    return "none"


async def test_a_refused_connection() -> None:
    base = f"http://127.0.0.1:{refused_port()}/v1"

    report = await look(case(provider(base)))

    assert_stops_at(
        report, "tcp", await code_of_a_request(base), cause="connection was refused", remedy="Start the service"
    )


async def test_a_name_without_an_address() -> None:
    base = "https://nowhere.invalid/v1"

    report = await look(case(provider(base)))

    code = await code_of_a_request(base)
    assert code == "provider_unreachable"
    assert_stops_at(report, "dns", code, cause="host name has no address", remedy="spelling of the host")


async def test_a_name_server_that_is_silent() -> None:
    async def silent(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    report = await look(case(provider("https://slow.example/v1")), lookup=silent, limits=QUICK)

    assert_stops_at(report, "dns", "provider_timeout", cause="No name server has answered", remedy="firewall")
    assert report.ms < 1500


async def test_a_connection_that_is_never_taken(full_port: int) -> None:
    report = await look(case(provider(f"http://127.0.0.1:{full_port}/v1")), limits=QUICK)

    assert_stops_at(report, "tcp", "provider_timeout", cause="nothing answers on port", remedy="firewall")
    assert report.ms < 1500


async def test_a_handshake_that_is_never_answered() -> None:
    async with open_server(None) as port:
        report = await look(case(provider(f"https://127.0.0.1:{port}/v1")), limits=QUICK)

    assert_stops_at(report, "tls", "provider_timeout", cause="did not answer the TLS handshake", remedy="port")
    assert report.ms < 1500


async def test_plain_http_where_tls_is_expected() -> None:
    async with open_server(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n") as port:
        base = f"https://127.0.0.1:{port}/v1"
        report = await look(case(provider(base)))
        code = await code_of_a_request(base)

    assert code == "tls_error"
    assert_stops_at(report, "tls", code, cause="does not speak TLS", remedy="http://")


async def test_something_that_is_no_http() -> None:
    async with open_server(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n") as port:
        base = f"http://127.0.0.1:{port}/v1"
        report = await look(case(provider(base)))
        code = await code_of_a_request(base)

    assert_stops_at(report, "http", code, cause="did not answer in valid HTTP", remedy="base URL")


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # it also takes pyOpenSSL's context
    return context


def trust_in(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]  # see above
    return context


def expired(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=2))


def not_yet(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("127.0.0.1", not_before=datetime.now(UTC) + timedelta(days=2))


def another_host(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("other.example")


def right(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("127.0.0.1")


@pytest.mark.parametrize(
    ("make", "trusted", "cause", "remedy"),
    [
        (expired, "trusted", "has expired", "renewed"),
        (not_yet, "trusted", "is not valid yet", "clock"),
        (another_host, "trusted", "is for another host", "host name"),
        (right, "unknown", "does not know", "trust store"),
    ],
)
async def test_a_certificate_that_is_not_accepted(
    make: Callable[[trustme.CA], trustme.LeafCert], trusted: str, cause: str, remedy: str
) -> None:
    authority = await asyncio.to_thread(trustme.CA)
    tls = server_context(make(authority))
    trust = trust_in(authority) if trusted == "trusted" else None
    async with open_site(api(), tls=tls) as site:
        report = await look(case(provider(site.url())), tls=trust)
        code = await code_of_a_request(site.url(), tls=trust)
        assert site.requests == []

    assert code == "tls_error"
    assert_stops_at(report, "tls", code, cause=cause, remedy=remedy)


async def test_a_certificate_that_is_signed_by_itself(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = trustme.CA()
    file = tmp_path_factory.mktemp("tls") / "own.pem"
    file.write_bytes(authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    async with open_site(api(), tls=tls) as site:
        report = await look(case(provider(site.url())))

    assert_stops_at(report, "tls", "tls_error", cause="is signed by itself", remedy="trust store")


async def test_a_certificate_that_is_good() -> None:
    authority = trustme.CA()
    async with open_site(api(), tls=server_context(right(authority))) as site:
        report = await look(case(provider(site.url())), tls=trust_in(authority))

    assert verdicts(report)["tls"] == verdicts(report)["auth"] == "pass"
    assert report.failed is None


async def test_where_too_many_names_are_looked_up_already_the_next_one_is_late() -> None:
    report = await look(case(provider("https://nowhere.invalid/v1")), lookup=Names(at_once=0).lookup)

    assert step(report, "dns")["code"] == "provider_timeout"


async def test_a_lookup_that_gets_no_thread_keeps_no_place() -> None:
    names = Names(at_once=1)
    usual = threading.stack_size(1 << 47)  # more than a process has addresses for
    try:
        report = await look(case(provider("https://nowhere.invalid/v1")), lookup=names.lookup)
    finally:
        threading.stack_size(usual)

    assert step(report, "dns")["code"] == "provider_timeout"
    assert await names.lookup("localhost", 80)


async def test_an_address_that_must_not_be_used_is_not_connected_to() -> None:
    def permit(address: str, _origin: Origin) -> None:
        message = f"not {address}"
        raise ProviderUnreachable(message)

    async with open_site(api()) as site, Transport() as transport:
        means = Means(transport=transport, network=Network(permit=permit))
        report = await diagnose(case(provider(site.url(host="localhost"))), means)

        assert step(report, "tcp")["status"] == "fail"
        assert step(report, "tcp")["cause"].startswith("not ")
        assert site.requests == []
