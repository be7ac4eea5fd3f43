import asyncio
import socket
import ssl
import traceback
from collections.abc import AsyncGenerator

import pytest
import trustme

from app.secret import Secret
from app.voyage.client import MAX_ANSWER_BYTES, ROOMS, Asks, VoyageAnswer, VoyageAway, VoyageClient
from tests.voyage.fake import PREFERENCES, SESSION, FakeVoyage, Trouble
from tests.voyage_client.raw_server import ok, saying

SESSION_ID = "abcdefghijklmnopqrstuvwxyz012345"
SECRET = Secret(SESSION_ID)
SLOTS = ROOMS[Asks.DATA].slots


@pytest.fixture
async def voyage() -> AsyncGenerator[FakeVoyage]:
    async with FakeVoyage() as fake:
        yield fake


async def away_of(base_url: str, *, path: str = "/x", seconds: float = 5.0) -> VoyageAway:
    """Give the failure of one call, which shows neither session nor address anywhere."""
    async with VoyageClient(base_url, seconds=seconds) as client:
        with pytest.raises(VoyageAway) as failed:
            await client.get(path, SECRET)
    shown = "".join(traceback.format_exception(failed.value)) + repr(failed.value)
    assert SESSION_ID not in shown
    assert base_url.rpartition("/")[2] not in shown
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None
    assert str(failed.value) == failed.value.reason
    return failed.value


async def answer_to(*answers: bytes) -> VoyageAnswer:
    async with saying(*answers) as (address, _), VoyageClient(f"http://{address}") as client:
        return await client.get("/x", SECRET)


async def test_only_the_session_goes_along(voyage: FakeVoyage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    session = voyage.sign_in(7, "ada")
    async with VoyageClient(voyage.base_url) as client:
        # The fake renews its cookie with each answer, which must not come back to it.
        answers = [await client.get(SESSION, Secret(session)) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert [seen.cookies for seen in voyage.requests] == [{"sessionid": session}] * 2
    for seen in voyage.requests:
        assert seen.headers == {
            "host": voyage.base_url.removeprefix("http://"),
            "user-agent": "voyage-llm-gateway/0.1",
            "accept": "application/json",
            "accept-encoding": "identity",
            "cookie": f"sessionid={session}",
        }


async def test_two_sessions_over_one_connection_stay_apart(voyage: FakeVoyage) -> None:
    ada, bob = voyage.sign_in(1, "ada"), voyage.sign_in(2, "bob")
    async with VoyageClient(voyage.base_url) as client:
        for session in (ada, bob, ada):
            await client.get(SESSION, Secret(session))

    assert [seen.cookies["sessionid"] for seen in voyage.requests] == [ada, bob, ada]


@pytest.mark.parametrize("base", ["", "/", "/voyage", "/voyage/"])
async def test_the_address_may_have_a_path_and_a_slash_at_its_end(base: str) -> None:
    async with saying(ok()) as (address, heads), VoyageClient(f"http://{address}{base}") as client:
        await client.get("/a/b/", SECRET)

    assert heads[0].split(b"\r\n")[:2] == [
        f"GET {base.rstrip('/')}/a/b/ HTTP/1.1".encode(),
        f"Host: {address}".encode(),
    ]


@pytest.mark.parametrize("status", [b"400 Bad Request", b"401 No", b"403 No", b"404 No", b"410 Gone"])
async def test_a_refusal_is_an_answer_with_and_without_json(status: bytes) -> None:
    code = int(status[:3])

    assert await answer_to(ok(b'{"detail":"no"}', status=status)) == VoyageAnswer(status=code, data={"detail": "no"})
    assert await answer_to(ok(b"<html>", status=status)) == VoyageAnswer(status=code, data=None)
    assert await answer_to(ok(b"", status=status)) == VoyageAnswer(status=code, data=None)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_failure_of_voyage_is_its_status(voyage: FakeVoyage, status: int) -> None:
    voyage.trouble = Trouble.status(status)

    assert (await away_of(voyage.base_url)).reason == f"status_{status}"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), (1, 1), (86400, 3600), (0, 1), ("9" * 2000, None), ("-5", None), ("1.5", None), ("soon", None)],
)
async def test_a_throttle_says_when_to_come_back(
    voyage: FakeVoyage, header: int | str | None, seconds: int | None
) -> None:
    voyage.trouble = Trouble.throttled(header)
    away = await away_of(voyage.base_url)

    assert (away.reason, away.retry_after_s) == ("throttled", seconds)


@pytest.mark.parametrize(("said", "waits"), [(None, 5), (1, 1), (60, 60), (61, 60), (3600, 60)])
def test_a_caller_is_told_to_wait_a_minute_at_most(said: float | None, waits: float) -> None:
    assert VoyageAway("throttled", retry_after_s=said).wait_s() == waits


async def test_a_spent_budget_is_a_throttle(voyage: FakeVoyage) -> None:
    voyage.budget = 0
    session = Secret(voyage.sign_in(1))
    async with VoyageClient(voyage.base_url) as client:
        with pytest.raises(VoyageAway, match="throttled"):
            await client.get(PREFERENCES, session)
        assert (await client.get(SESSION, session)).status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(voyage: FakeVoyage, status: int) -> None:
    voyage.trouble = Trouble.redirect(status=status)

    assert (await away_of(voyage.base_url)).reason == "redirected"
    assert len(voyage.requests) == 1


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Trouble.html(), "not_json"),
        (Trouble.html(201), "not_json"),
        (Trouble.garbage(), "not_json"),
        (Trouble.huge(MAX_ANSWER_BYTES), "too_large"),
        (Trouble.cut(), "closed"),
        (Trouble.reset(), "closed"),
    ],
)
async def test_what_is_no_answer_has_a_reason(voyage: FakeVoyage, trouble: Trouble, reason: str) -> None:
    voyage.trouble = trouble

    assert (await away_of(voyage.base_url)).reason == reason


@pytest.mark.parametrize("trouble", [Trouble.hang(), Trouble.drip()])
async def test_one_deadline_covers_silence_and_dripping(voyage: FakeVoyage, trouble: Trouble) -> None:
    voyage.trouble = trouble
    clock = asyncio.get_running_loop().time
    begun = clock()

    assert (await away_of(voyage.base_url, seconds=0.2)).reason == "timeout"
    assert clock() - begun < 2
    await voyage.until(lambda: voyage.open_requests == 0)


async def test_waiting_for_a_slot_is_part_of_the_deadline(voyage: FakeVoyage) -> None:
    voyage.trouble = Trouble.hang()
    session = Secret(voyage.sign_in(1))
    async with VoyageClient(voyage.base_url, seconds=0.5) as client, asyncio.timeout(5):
        calls = [client.get(SESSION, session) for _ in range(SLOTS + 5)]
        away = await asyncio.gather(*calls, return_exceptions=True)

    assert [str(failure) for failure in away] == ["timeout"] * (SLOTS + 5)
    assert voyage.most_open_requests == SLOTS


@pytest.mark.parametrize("crowd", list(Asks))
async def test_no_kind_of_call_waits_for_another(voyage: FakeVoyage, crowd: Asks) -> None:
    gate = asyncio.Event()
    voyage.trouble = Trouble.hold(gate, path=PREFERENCES)
    session, slots = Secret(voyage.sign_in(1)), ROOMS[crowd].slots
    async with VoyageClient(voyage.base_url) as client, asyncio.timeout(5):
        waiting = asyncio.gather(*(client.get(PREFERENCES, session, asks=crowd) for _ in range(slots + 5)))
        await voyage.until(lambda: voyage.open_requests == slots)
        for asks in set(Asks) - {crowd}:
            assert (await client.get(SESSION, session, asks=asks)).status == 200
        gate.set()
        assert {answer.status for answer in await waiting} == {200}
    assert voyage.most_open_requests == slots + 1


async def test_more_new_sessions_than_may_wait_are_refused_at_once(voyage: FakeVoyage) -> None:
    gate, room = asyncio.Event(), ROOMS[Asks.NEW_SESSION]
    assert room.waiting is not None
    voyage.trouble = Trouble.hold(gate)
    session, fit = Secret(voyage.sign_in(1)), room.slots + room.waiting
    async with VoyageClient(voyage.base_url, seconds=60) as client, asyncio.timeout(5):
        inside = [asyncio.create_task(client.get(SESSION, session, asks=Asks.NEW_SESSION)) for _ in range(fit)]
        await voyage.until(lambda: voyage.open_requests == room.slots)
        with pytest.raises(VoyageAway, match="crowded") as refused:
            await client.get(SESSION, session, asks=Asks.NEW_SESSION)
        assert refused.value.wait_s() == 5

        # Who leaves makes room for one.
        inside.pop().cancel()
        await asyncio.sleep(0)
        inside.append(asyncio.create_task(client.get(SESSION, session, asks=Asks.NEW_SESSION)))
        await asyncio.sleep(0)
        with pytest.raises(VoyageAway, match="crowded"):
            await client.get(SESSION, session, asks=Asks.NEW_SESSION)
        gate.set()
        assert {answer.status for answer in await asyncio.gather(*inside)} == {200}
        assert (await client.get(SESSION, session, asks=Asks.NEW_SESSION)).status == 200
    assert voyage.most_open_requests == room.slots


async def test_a_closed_port_is_refused() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))

        assert (await away_of(f"http://127.0.0.1:{held.getsockname()[1]}")).reason == "refused"


async def test_a_restart_of_voyage_is_no_failure_of_the_next_call(voyage: FakeVoyage) -> None:
    session = Secret(voyage.sign_in(1))
    async with VoyageClient(voyage.base_url) as client:
        await client.get(SESSION, session)
        await voyage.stop()
        with pytest.raises(VoyageAway, match="refused"):
            await client.get(SESSION, session)
        await voyage.start()
        assert (await client.get(SESSION, session)).status == 200


async def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    assert (await answer_to(b"", ok(b'"again"'))).data == "again"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", "too_large"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "not_json"),
        (ok(b"{}", head=b"Content-Encoding: gzip\r\n"), "not_json"),
        (ok(b"[" * 200_000), "not_json"),
        (ok(b'{"a":NaN}'), "not_json"),
    ],
)
async def test_broken_answers_are_told_apart(answer: bytes, reason: str) -> None:
    async with saying(answer) as (address, _):
        assert (await away_of(f"http://{address}")).reason == reason


async def test_a_body_without_a_length_is_bounded_too() -> None:
    chunk = b"%x\r\n%b\r\n" % (1_000_000, b" " * 1_000_000)
    async with saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 6) as (address, _):
        assert (await away_of(f"http://{address}")).reason == "too_large"


async def test_https_needs_a_certificate_that_is_trusted() -> None:
    authority = trustme.CA()
    server, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)  # pyright: ignore[reportUnknownMemberType]  # may be pyOpenSSL's
    authority.configure_trust(client_side)  # pyright: ignore[reportUnknownMemberType]  # see above
    async with saying(ok(b"1"), tls=server) as (address, _):
        async with VoyageClient(f"https://{address}", tls=client_side) as client:
            assert (await client.get("/x", SECRET)).data == 1
        assert (await away_of(f"https://{address}")).reason == "tls"


@pytest.mark.parametrize("base_url", ["http://[::1", "http://127.0.0.1:99999", "ftp://127.0.0.1", "nowhere"])
async def test_an_address_that_is_none_is_no_crash(base_url: str) -> None:
    assert (await away_of(base_url)).reason in {"no_address", "closed", "unreachable"}


@pytest.mark.parametrize("session", ["a" * 32 + "; csrftoken=x", "a" * 32 + "\r\nX-User-Id: 1", "short", "ä" * 32])
async def test_what_is_no_session_id_is_never_sent(voyage: FakeVoyage, session: str) -> None:
    async with VoyageClient(voyage.base_url) as client:
        with pytest.raises(ValueError, match="no session id") as refused:
            await client.get(SESSION, Secret(session))

    assert session not in str(refused.value)
    assert voyage.requests == []


async def test_after_its_end_it_is_closed(voyage: FakeVoyage) -> None:
    client = VoyageClient(voyage.base_url)
    with pytest.raises(RuntimeError, match="not open"):
        await client.get(SESSION, SECRET)
    voyage.trouble = Trouble.hang()
    async with client:
        waiting = asyncio.create_task(client.get(SESSION, SECRET))
        await voyage.until(lambda: voyage.open_requests == 1)

    for call in (waiting, client.get(SESSION, SECRET)):
        with pytest.raises(VoyageAway, match="closed"):
            await call


async def test_a_caller_that_leaves_frees_its_slot_and_its_socket(voyage: FakeVoyage) -> None:
    voyage.trouble = Trouble.hang()
    async with VoyageClient(voyage.base_url) as client:
        for _ in range(SLOTS + 1):
            waiting = asyncio.create_task(client.get(SESSION, SECRET))
            await voyage.until(lambda: voyage.open_requests == 1)
            waiting.cancel()
            await voyage.until(lambda: voyage.open_requests == 0)


async def test_a_host_name_that_cannot_be_written_has_no_address() -> None:
    for base_url in ("http://a..b", f"http://{'x' * 70}.example"):
        assert (await away_of(base_url)).reason == "no_address"
