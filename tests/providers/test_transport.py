"""What the transport connects to, what it refuses before it does, and what it never does at all."""

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
import structlog

from app.errors import (
    AddressNotAllowed,
    InvalidProviderResponse,
    ProviderTimeout,
    ProviderUnreachable,
    StreamInterrupted,
)
from app.providers.address import AddressGuard, ForbiddenAddress
from app.providers.guarded_connector import open_connector
from app.providers.provider import Deadlines
from app.providers.transport import USER_AGENT, Transport, UpstreamResponse
from tests.providers.addresses import FORBIDDEN_AUTHORITIES, FORBIDDEN_HOSTS, Names
from tests.providers.sending import DEADLINES, LOOPBACK, ORIGIN, Door, code_of, get, open_door
from tests.upstream import BY_NAME, Answer, Upstream
from tests.upstream.faults import redirect

STRICT = AddressGuard()
HERE = ("127.0.0.1", "::1")
"""What a name server of an attacker would say."""


@pytest.fixture
async def door() -> AsyncGenerator[Door]:
    async with open_door() as opened:
        yield opened


async def test_no_spelling_of_a_forbidden_address_is_connected_to(door: Door) -> None:
    assert len(FORBIDDEN_HOSTS) >= 80
    async with Transport(guard=STRICT, resolver=Names(HERE)) as transport:
        codes = {
            (scheme, host): await code_of(transport, f"{scheme}://{host}:{door.port}/v1/models")
            for host in FORBIDDEN_HOSTS
            for scheme in ("https", "http")
        }
        assert {place for place, code in codes.items() if code != "address_not_allowed"} == set()
        assert door.opened == 0

        assert await code_of(transport, f"http://127.0.0.1:{door.port}/", guarded=False) is None
        assert await code_of(transport, f"http://[::1]:{door.port}/", guarded=False) is None
    assert door.opened == 2, "the door works"


@pytest.mark.parametrize("guarded", [True, False])
async def test_no_url_that_two_parsers_read_differently_is_connected_to(door: Door, *, guarded: bool) -> None:
    async with Transport(guard=STRICT, resolver=Names(HERE)) as transport:
        for authority in FORBIDDEN_AUTHORITIES:
            for end in ("/v1", f":{door.port}/v1", f":{door.port}"):
                for scheme in ("https", "http"):
                    url = f"{scheme}://{authority}{end}"
                    assert await code_of(transport, url, guarded=guarded) == "provider_unreachable", url
        for path in (
            "/../admin",
            "/v1/..",
            "/v1/./x",
            "/v1/%2e%2E/x",
            "/v1/.%2e?x",
            "/a\\b",
            "/a b",
            "/a\nb",
            "/a#b",
            "/ä",
        ):
            url = f"http://127.0.0.1:{door.port}{path}"
            assert await code_of(transport, url, guarded=guarded) == "provider_unreachable", url
        for url in (
            "",
            "127.0.0.1",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "unix:///run/x.sock",
            "//127.0.0.1/",
            "https:/x",
        ):
            assert await code_of(transport, url, guarded=guarded) == "provider_unreachable", url

    assert door.opened == 0


@pytest.mark.parametrize("path", ["/v1/a..b", "/v1/...", "/v1/x?next=/../y", "/v1/models/a@b:c?alt=sse", "/v1/%20"])
async def test_a_path_that_only_looks_so_is_sent(door: Door, path: str) -> None:
    async with Transport() as transport:
        assert await get(transport, f"http://127.0.0.1:{door.port}{path}") == b"ok"


async def test_a_name_that_leads_here_is_not_connected_to(door: Door) -> None:
    for answer in (["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["10.0.0.1", "::1"]):
        async with Transport(guard=STRICT, resolver=Names(answer)) as transport:
            assert await code_of(transport, f"https://api.example.org:{door.port}/") == "address_not_allowed"

    assert door.opened == 0


async def test_names_that_alternate_are_connected_to_where_they_were_checked() -> None:
    allowed = AddressGuard.of([ip_network("127.0.0.2/32")])
    inside, outside = Door(), Door()
    names = Names(*(["127.0.0.2"], ["127.0.0.1"]) * 50)
    async with await asyncio.start_server(inside.answer, "127.0.0.2", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with (
            await asyncio.start_server(outside.answer, "127.0.0.1", port),
            Transport(guard=allowed, resolver=names) as transport,
        ):
            codes = [await code_of(transport, f"http://rebinding{turn}.example:{port}/") for turn in range(20)]
            again = [await code_of(transport, f"http://rebinding{turn}.example:{port}/") for turn in range(0, 20, 2)]

    assert codes == [None, "address_not_allowed"] * 10
    assert again == [None] * 10, "kept with what was checked"
    assert (inside.opened, outside.opened) == (20, 0)
    assert len(names.asked) == 20, "no second look-up"


async def test_a_name_with_one_bad_address_is_not_connected_to_at_its_good_one() -> None:
    allowed, door = AddressGuard.of([ip_network("127.0.0.2/32")]), Door()
    async with await asyncio.start_server(door.answer, "127.0.0.2", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for bad in ("127.0.0.1", "::1", "10.0.0.1"):
            for answer in (["127.0.0.2", bad], [bad, "127.0.0.2"]):
                async with Transport(guard=allowed, resolver=Names(answer)) as transport:
                    assert await code_of(transport, f"http://mixed.example:{port}/") == "address_not_allowed"
        assert door.opened == 0
        async with Transport(guard=allowed, resolver=Names(["127.0.0.2", "127.0.0.2"])) as transport:
            assert await code_of(transport, f"http://good.example:{port}/") is None


async def test_a_connection_to_the_operators_endpoint_serves_no_guarded_request() -> None:
    async with Upstream() as upstream, Transport(guard=STRICT) as transport:
        url = f"{upstream.base_url}/v1/models"
        assert await get(transport, url, guarded=False)
        assert upstream.open_sockets == 1

        assert await code_of(transport, url) == "address_not_allowed"
        assert len(upstream.requests) == 1


async def test_unencrypted_is_for_the_operators_networks(door: Door) -> None:
    async with Transport(guard=LOOPBACK, resolver=Names(["93.184.216.34"])) as transport:
        assert await get(transport, f"http://127.0.0.1:{door.port}/") == b"ok"
        assert await code_of(transport, "http://api.example.org/") == "address_not_allowed"
        assert await code_of(transport, "http://93.184.216.34/") == "address_not_allowed"

    assert door.opened == 1


async def test_the_operators_log_names_address_and_setting_and_the_caller_neither() -> None:
    async with Transport(guard=STRICT, resolver=Names(["10.1.2.3"])) as transport:
        with structlog.testing.capture_logs() as logs, pytest.raises(AddressNotAllowed) as error:
            await get(transport, "https://planted-name.example.org/")

    assert [(line["event"], line["address"]) for line in logs] == [("address_not_allowed", "10.1.2.3")]
    assert "GATEWAY_ALLOWED_NETWORKS" in logs[0]["hint"]
    assert "planted-name" not in str(logs)
    assert not {"GATEWAY", "10.1.2.3", "planted-name"} & set(error.value.sentence.split())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_leads_nowhere(status: int) -> None:
    async with Upstream() as first, Upstream() as second, Transport() as transport:
        first.script = redirect(f"{second.base_url}/v1/chat/completions", status)
        async with transport.request(
            "POST",
            f"{first.base_url}/v1/chat/completions",
            headers={"Authorization": "Bearer planted", "x-api-key": "planted", "x-goog-api-key": "planted"},
            body=b"{}",
            deadlines=DEADLINES,
            origin=ORIGIN,
        ) as response:
            assert response.status == status

        assert (len(first.requests), second.connections) == (1, 0)


async def test_nothing_of_the_environment_is_used(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login planted password planted\n", encoding="ascii")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{door.port}")

    async with Upstream() as upstream, Transport() as transport:
        assert await get(transport, f"{upstream.base_url}/v1/models")

        (sent,) = upstream.requests
        planted = base64.b64encode(b"planted:planted").decode()
        assert "authorization" not in sent.headers
        assert planted not in str(sent.headers)
        assert (sent.headers["user-agent"], sent.headers["accept-encoding"]) == (USER_AGENT, "identity")
    assert door.opened == 0


async def test_a_body_beyond_the_limit_is_an_error_and_closes_the_socket() -> None:
    async with Upstream(BY_NAME["endless"]) as upstream, Transport(max_response_bytes=100_000) as transport:
        received = 0
        with pytest.raises(InvalidProviderResponse, match="more than 100,000 bytes"):  # noqa: PT012 - how much came before is the point
            async with transport.request(
                "POST",
                f"{upstream.base_url}/v1/chat/completions",
                headers={},
                body=b'{"stream": true}',
                deadlines=DEADLINES,
                origin=ORIGIN,
            ) as response:
                while chunk := await response.readany():
                    received += len(chunk)

        assert 0 < received <= 100_000
        await upstream.until(lambda: upstream.open_sockets == 0)


async def test_the_socket_itself_is_checked_too(door: Door) -> None:
    tls = ssl.create_default_context()
    async with aiohttp.ClientSession(connector=open_connector(tls, STRICT, None)) as session:
        for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"):
            with pytest.raises(aiohttp.ClientConnectorError) as error:
                await session.get(f"http://{host}:{door.port}/")
            assert isinstance(error.value.os_error, ForbiddenAddress)

    assert door.opened == 0


async def test_a_body_that_is_there_at_once_comes_in_pieces_between_which_others_have_a_turn() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    response = UpstreamResponse(200, {}, _Whole(b"x" * 200_000), ORIGIN)
    others = asyncio.create_task(count())
    sizes = [len(piece) async for piece in response.chunks()]
    others.cancel()
    await asyncio.wait({others})

    assert sum(sizes) == 200_000
    assert max(sizes) <= 16_384
    assert turns >= len(sizes) - 1


class _Whole:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def readany(self) -> bytes:
        body, self._body = self._body, b""
        return body


async def test_readany_and_chunks_give_the_same_body() -> None:
    async with Upstream(Answer(texts=("Hello", " world"), split=3)) as upstream, Transport() as transport:
        bodies: list[bytes] = []
        for way in ("readany", "chunks"):
            async with transport.request(
                "POST",
                f"{upstream.base_url}/v1/chat/completions",
                headers={},
                body=b'{"stream": true}',
                deadlines=DEADLINES,
                origin=ORIGIN,
            ) as response:
                if way == "chunks":
                    bodies.append(b"".join([chunk async for chunk in response.chunks()]))
                else:
                    bodies.append(b"")
                    while chunk := await response.readany():
                        bodies[-1] += chunk

        assert b"[DONE]" in bodies[0]
        assert len(bodies[0]) == len(bodies[1])
        assert upstream.connections == 1, "pooled"


@pytest.mark.parametrize("fault", ["gzipbomb", "dropmid", "rstmid"])
async def test_readany_tells_of_a_bad_body(fault: str) -> None:
    async with Upstream(BY_NAME[fault]) as upstream, Transport() as transport:
        with pytest.raises((InvalidProviderResponse, StreamInterrupted)):  # noqa: PT012 - only the body is bad
            async with transport.request(
                "POST",
                f"{upstream.base_url}/v1/chat/completions",
                headers={},
                body=b'{"stream": true}',
                deadlines=DEADLINES,
                origin=ORIGIN,
            ) as response:
                while await response.readany():
                    pass
        await upstream.until(lambda: upstream.open_sockets == 0)


async def test_cancelling_before_the_head_closes_the_socket() -> None:
    async with Upstream(BY_NAME["nohead"]) as upstream, Transport() as transport:
        asking = asyncio.create_task(_post(transport, upstream))
        await upstream.until(lambda: len(upstream.requests) == 1)

        asking.cancel()
        await asyncio.wait({asking})

        assert asking.cancelled()
        await upstream.until(lambda: upstream.open_sockets == 0)


async def test_a_head_that_does_not_come_is_a_timeout_and_closes_the_socket() -> None:
    async with Upstream(BY_NAME["nohead"]) as upstream, Transport() as transport:
        with pytest.raises(ProviderTimeout, match=r"0\.1 s"):
            await _post(transport, upstream, Deadlines(first_token_s=0.1))
        await upstream.until(lambda: upstream.open_sockets == 0)


async def _post(transport: Transport, upstream: Upstream, deadlines: Deadlines = DEADLINES) -> None:
    async with transport.request(
        "POST",
        f"{upstream.base_url}/v1/chat/completions",
        headers={},
        body=b'{"stream": true}',
        deadlines=deadlines,
        origin=ORIGIN,
    ):
        pass


async def test_a_handshake_that_hangs_ends_at_the_deadline_for_connecting() -> None:
    hanging: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, writer: hanging.append(writer), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Transport() as transport:
            with pytest.raises(ProviderTimeout, match=r"0\.2 s"):
                await get(transport, f"https://127.0.0.1:{port}/", deadlines=Deadlines(connect_s=0.2, first_token_s=30))
        for writer in hanging:
            writer.close()


async def test_a_closed_transport_says_so() -> None:
    transport = Transport(guard=STRICT)
    async with transport:
        with pytest.raises(ProviderUnreachable):
            await get(transport, "http://127.0.0.1:1/", guarded=False)
    with pytest.raises(RuntimeError, match="not open"):
        await get(transport, "http://127.0.0.1:1/")
