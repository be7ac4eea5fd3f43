import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.auth.caller import PERSON, Caller
from app.auth.known_sessions import KNOWN_S
from app.auth.voyage_session import VoyageSessions, read_cookies
from app.errors import AuthUnavailable, Forbidden, NotAuthenticated
from app.secret import Secret
from app.voyage.client import ROOMS, Asks, VoyageClient
from tests.voyage.csrf_token import mask, new_secret
from tests.voyage.fake import SESSION, FakeVoyage, Trouble
from tests.voyage.trouble import signed_in

SITE = "https://voyage.example.org"
FORGED = {
    "x-session-token": "",
    "x-user-id": "1",
    "x-forwarded-user": "admin",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-host": "evil.example",
    "x-forwarded-email": "admin@example.org",
    "x-remote-user": "admin",
    "remote-user": "admin",
    "x-on-behalf-of": "1",
    "x-real-ip": "127.0.0.1",
    "forwarded": "for=127.0.0.1;host=evil.example",
    "host": "evil.example/../admin?x#y",
}


@dataclass
class Door:
    """Sessions at a Voyage, by a clock that stands still until it is moved."""

    voyage: FakeVoyage
    now: float = 1000.0
    ttl_s: float = 30.0
    seconds: float = 5.0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with VoyageClient(self.voyage.base_url, seconds=self.seconds) as client:
            self.sessions = VoyageSessions(
                client, ttl_s=self.ttl_s, trusted_origins=frozenset({SITE}), monotonic=lambda: self.now
            )
            yield
            await self.sessions.close()

    async def identify(self, session: str, *, method: str = "GET", **others: str) -> Caller:
        return await self.by({"cookie": f"sessionid={session}", **_names(others)}, method=method)

    async def by(self, headers: Mapping[str, str], *, method: str = "GET") -> Caller:
        async with asyncio.timeout(10):
            return await self.sessions.identify(headers, method=method)

    @property
    def asked(self) -> int:
        return self.voyage.count(SESSION)


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
async def door() -> AsyncGenerator[Door]:
    async with FakeVoyage() as voyage:
        made = Door(voyage)
        async with made.open():
            yield made


async def test_a_session_is_its_user(door: Door) -> None:
    session = door.voyage.sign_in(7, "ada")
    caller = await door.identify(session)

    assert caller == Caller(user_id="7", method="voyage_session", scopes=PERSON, session=Secret(session))
    assert session not in repr(caller)
    assert session not in repr(vars(door.sessions))


async def test_200_requests_at_once_ask_once(door: Door) -> None:
    gate = asyncio.Event()
    door.voyage.trouble = Trouble.hold(gate)
    session = door.voyage.sign_in(7)
    waiting = [asyncio.create_task(door.identify(session)) for _ in range(200)]
    await door.voyage.until(lambda: door.voyage.open_requests == 1)
    gate.set()

    assert {caller.user_id for caller in await asyncio.gather(*waiting)} == {"7"}
    assert (await door.identify(session)).user_id == "7"
    assert door.asked == 1


async def test_a_logout_is_effective_within_the_ttl(door: Door) -> None:
    session = door.voyage.sign_in(7)
    await door.identify(session)
    door.voyage.sign_out(session)

    door.now += door.ttl_s - 0.001
    assert (await door.identify(session)).user_id == "7"
    door.now += 0.001
    with pytest.raises(NotAuthenticated):
        await door.identify(session)
    assert door.asked == 2


async def test_the_ttl_counts_from_when_voyage_was_asked(door: Door) -> None:
    session, gate = door.voyage.sign_in(7), asyncio.Event()
    door.voyage.trouble = Trouble.hold(gate)
    first = asyncio.create_task(door.identify(session))
    await door.voyage.until(lambda: door.voyage.open_requests == 1)
    door.now += 20  # a slow answer: Voyage knew this much earlier
    gate.set()
    await first
    door.voyage.sign_out(session)

    door.now += 10
    with pytest.raises(NotAuthenticated):
        await door.identify(session)


async def test_who_is_not_signed_in_is_not_asked_about_for_5_seconds(door: Door) -> None:
    session = door.voyage.sign_in(7)
    door.voyage.sign_out(session)
    for _ in range(3):
        with pytest.raises(NotAuthenticated, match="has ended"):
            await door.identify(session)
    door.now += 4.999
    with pytest.raises(NotAuthenticated):
        await door.identify(session)
    assert door.asked == 1

    door.now += 0.001
    with pytest.raises(NotAuthenticated):
        await door.identify(session)
    assert door.asked == 2


AWAY = [
    (Trouble.throttled(), 60, "throttled"),
    (Trouble.throttled(7), 7, "throttled"),
    (Trouble.throttled(None), 5, "throttled"),
    (Trouble.status(500), 5, "status_500"),
    (Trouble.status(503), 5, "status_503"),
    (Trouble.status(403), 5, "status_403"),
    (Trouble.status(404), 5, "status_404"),
    (Trouble.html(401), 5, "unexpected_answer"),
    (Trouble.json({"detail": "no"}, status=403), 5, "status_403"),
    (Trouble.hang(), 5, "timeout"),
    (Trouble.drip(), 5, "timeout"),
    (Trouble.redirect(), 5, "redirected"),
    (Trouble.html(), 5, "not_json"),
    (Trouble.json({"status": 200}), 5, "unexpected_answer"),
    (Trouble.garbage(), 5, "not_json"),
    (Trouble.huge(), 5, "too_large"),
    (Trouble.cut(), 5, "closed"),
    (Trouble.reset(), 5, "closed"),
    (None, 5, "refused"),
]


@pytest.mark.parametrize(("trouble", "retry_s", "reason"), AWAY, ids=[f"{row[2]}-{row[1]}" for row in AWAY])
async def test_whatever_voyage_does_it_is_never_taken_for_a_logout(
    trouble: Trouble | None, retry_s: float, reason: str
) -> None:
    async with FakeVoyage() as voyage:
        session = voyage.sign_in(7)
        door = Door(voyage, seconds=0.3)
        async with door.open():
            voyage.trouble = trouble
            if trouble is None:
                await voyage.stop()
            with capture_logs() as lines, pytest.raises(AuthUnavailable) as failed:
                await door.identify(session)
            assert (failed.value.http_status, failed.value.retry_after_s) == (503, retry_s)
            assert lines == [{"event": "voyage_away", "log_level": "warning", "part": "session", "reason": reason}]
            assert session not in repr(failed.value.__context__)

            if trouble is None:
                await voyage.start()
            voyage.trouble = None
            assert (await door.identify(session)).user_id == "7"


async def test_a_failure_is_shared_by_who_waited_and_logged_once(door: Door) -> None:
    session, gate = door.voyage.sign_in(7), asyncio.Event()

    async def fail(request: web.Request) -> web.StreamResponse | None:
        await gate.wait()
        return await Trouble.status(500).play(request)

    door.voyage.trouble = Trouble(fail)
    with capture_logs() as lines:
        waiting = [asyncio.create_task(door.identify(session)) for _ in range(20)]
        await door.voyage.until(lambda: door.voyage.open_requests == 1)
        gate.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [AuthUnavailable] * 20
    assert len({id(outcome) for outcome in outcomes}) == 20
    assert len(lines) == door.asked == 1


async def test_closing_is_told_to_whoever_waits_or_comes_later(door: Door) -> None:
    session, gate = door.voyage.sign_in(7), asyncio.Event()
    door.voyage.trouble = Trouble.hold(gate)
    waiting = asyncio.create_task(door.identify(session))
    await door.voyage.until(lambda: door.voyage.open_requests == 1)
    await door.sessions.close()

    for asking in (waiting, door.identify(session)):
        with pytest.raises(AuthUnavailable) as failed:
            await asking
        assert failed.value.retry_after_s == 5


async def test_a_known_session_goes_on_while_voyage_is_away_until_its_ttl(door: Door) -> None:
    session = door.voyage.sign_in(7)
    await door.identify(session)
    door.voyage.trouble = Trouble.status(500)

    assert (await door.identify(session)).user_id == "7"
    door.now += door.ttl_s
    with pytest.raises(AuthUnavailable):
        await door.identify(session)


@asynccontextmanager
async def crowded(door: Door, *familiar: str) -> AsyncGenerator[None]:
    """Fill the room for new sessions; Voyage answers about `familiar` ones only."""
    gate, room = asyncio.Event(), ROOMS[Asks.NEW_SESSION]

    async def hold(request: web.Request) -> None:
        if request.cookies["sessionid"] not in familiar:
            await gate.wait()

    door.voyage.trouble = Trouble(hold)
    made_up = [f"{number:032}" for number in range(room.slots + (room.waiting or 0))]
    crowd = [asyncio.create_task(door.identify(session)) for session in made_up]
    await door.voyage.until(lambda: door.voyage.open_requests == room.slots)
    yield
    gate.set()
    assert {type(outcome) for outcome in await asyncio.gather(*crowd, return_exceptions=True)} == {NotAuthenticated}


async def test_a_session_that_was_somebodys_passes_a_crowd_of_new_ones(door: Door) -> None:
    known, new = door.voyage.sign_in(7), door.voyage.sign_in(8)
    await door.identify(known)
    door.now += KNOWN_S - 0.001
    async with crowded(door, known, new):
        assert (await door.identify(known)).user_id == "7"
        with capture_logs() as lines:
            for _ in range(3):
                with pytest.raises(AuthUnavailable) as refused:
                    await door.identify(new)
                assert refused.value.retry_after_s == 5
                door.now += 5
        assert [line["reason"] for line in lines] == ["crowded"] * 2
    assert (await door.identify(new)).user_id == "8"


async def test_a_session_that_has_ended_or_was_long_away_is_like_a_new_one(door: Door) -> None:
    ended, away = door.voyage.sign_in(7), door.voyage.sign_in(8)
    await door.identify(ended)
    await door.identify(away)
    door.voyage.sign_out(ended)
    door.now += KNOWN_S
    with pytest.raises(NotAuthenticated):
        await door.identify(ended)
    door.now += door.ttl_s
    async with crowded(door, ended, away):
        for session in (ended, away):
            with pytest.raises(AuthUnavailable):
                await door.identify(session)


async def test_a_user_who_leaves_does_not_take_the_question_from_the_others(door: Door) -> None:
    session, gate = door.voyage.sign_in(7), asyncio.Event()
    door.voyage.trouble = Trouble.hold(gate)
    first = asyncio.create_task(door.identify(session))
    await door.voyage.until(lambda: door.voyage.open_requests == 1)
    second = asyncio.create_task(door.identify(session))
    first.cancel()
    await asyncio.wait({first})
    gate.set()

    assert (await second).user_id == "7"
    assert door.asked == 1


async def test_two_sessions_with_a_long_common_prefix_stay_apart(door: Door) -> None:
    ada, bob = "s" * 100 + "a", "s" * 100 + "b"

    async def by_last_letter(request: web.Request) -> web.Response:
        return signed_in(1, "ada") if request.cookies["sessionid"] == ada else signed_in(2, "bob")

    door.voyage.trouble = Trouble(by_last_letter)
    callers = await asyncio.gather(door.identify(ada), door.identify(bob), door.identify(ada), door.identify(bob))

    assert [caller.user_id for caller in callers] == ["1", "2", "1", "2"]
    assert [seen.cookies["sessionid"] for seen in door.voyage.requests] == [ada, bob]


async def test_only_the_session_reaches_voyage(door: Door) -> None:
    session = door.voyage.sign_in(7)
    cookies = f'locale=en; sessionid="{session}"; csrftoken=; colortheme=dark; =odd; lonely'
    caller = await door.by({"cookie": cookies, "authorization": "Basic c3RhZ2luZzpwdw==", **FORGED})

    assert caller.user_id == "7"
    (seen,) = door.voyage.requests
    assert seen.cookies == {"sessionid": session}
    assert set(seen.headers) == {"host", "user-agent", "accept", "accept-encoding", "cookie"}
    assert seen.headers["host"] == door.voyage.base_url.removeprefix("http://")


async def test_forged_headers_have_no_effect(door: Door) -> None:
    admin, ada = door.voyage.sign_in(1, "admin"), door.voyage.sign_in(7, "ada")
    forged = {**FORGED, "x-session-token": admin}

    assert (await door.by({"cookie": f"sessionid={ada}", **forged})).user_id == "7"
    with pytest.raises(NotAuthenticated):
        await door.by(forged)
    with pytest.raises(Forbidden):  # X-Session-Token, which switches CSRF off in Voyage, does not do so here
        await door.by({"cookie": f"sessionid={ada}", **forged}, method="POST")


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "csrftoken=x",
        "sessionid",
        "sessionid=",
        'sessionid=""',
        "SESSIONID=" + "a" * 32,
        "xsessionid=" + "a" * 32,
        "sessionid=" + "a" * 15,
        "sessionid=" + "a" * 129,
        "sessionid=" + "a" * 31 + "-",
        "sessionid=" + "a" * 31 + "é",
        "sessionid=' OR 1=1--",
        "sessionid=" + "a" * 16 + "' OR '1'='1",
        "sessionid=" + "a" * 32 + "%00",
        "sessionid=../../" + "a" * 32,
        "sessionid=" + "a" * 32 + ",sessionid=" + "b" * 32,
        'sessionid="' + "a" * 32,
        "sessionid=" + "a" * 32 + "; sessionid=" + "b" * 32,
    ],
)
async def test_what_is_no_session_is_never_asked_about(door: Door, cookie: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        await door.by({"cookie": cookie})

    assert door.voyage.requests == []
    assert "aaaa" not in refused.value.sentence


async def test_two_different_sessions_are_nobody_and_the_same_twice_is_one(door: Door) -> None:
    ada, bob = door.voyage.sign_in(1), door.voyage.sign_in(2)
    with pytest.raises(NotAuthenticated, match="Two different sessionid cookies") as refused:
        await door.by({"cookie": f"sessionid={ada}; locale=en; sessionid={bob}"})
    assert "Delete" in refused.value.action

    assert (await door.by({"cookie": f"sessionid={ada}; sessionid={ada}; sessionid="})).user_id == "1"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_reading_needs_no_token_and_no_origin(door: Door, method: str) -> None:
    session = door.voyage.sign_in(7)

    assert (await door.identify(session, method=method, origin="https://evil.example")).user_id == "7"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "get", "TRACE", "BREW"])
async def test_everything_else_needs_both(door: Door, method: str) -> None:
    session, token = door.voyage.sign_in(7), mask(new_secret())
    cookie = f"sessionid={session}; csrftoken={token}"
    good = {"cookie": cookie, "origin": SITE, "x-csrftoken": token}

    assert (await door.by(good, method=method)).user_id == "7"
    for headers in (
        {**good, "x-csrftoken": ""},
        {**good, "cookie": f"sessionid={session}; csrftoken="},
        {**good, "origin": "null"},
        {"cookie": cookie},
    ):
        with pytest.raises(Forbidden):
            await door.by(headers, method=method)


async def test_who_is_not_signed_in_hears_that_and_nothing_of_csrf(door: Door) -> None:
    with pytest.raises(NotAuthenticated):
        await door.identify("u" * 32, method="POST", origin="https://evil.example")


VALUES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=';="\\ \t'), max_size=20)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=6), st.booleans(), st.sampled_from(["; ", ";", " ;\t"]))
def test_every_cookie_reads_back(pairs: list[tuple[str, str]], quoted: bool, between: str) -> None:  # noqa: FBT001 - Hypothesis gives it
    mark = '"' if quoted else ""
    header = between.join(f"{name}={mark}{value}{mark}" for name, value in pairs)
    wanted: dict[str, list[str]] = {}
    for name, value in pairs:
        wanted.setdefault(name, []).append(value)

    assert read_cookies(header) == wanted


@given(st.text(max_size=200))
def test_no_cookie_header_breaks_the_reader(header: str) -> None:
    for name, values in read_cookies(header).items():
        assert ";" not in name + "".join(values)
        assert values


def test_a_value_may_have_equal_signs_and_half_a_pair_of_quotes() -> None:
    assert read_cookies('a=b=c; d="; e="x; f=""; csrftoken=; a=2') == {
        "a": ["b=c", "2"],
        "d": ['"'],
        "e": ['"x'],
        "f": [""],
        "csrftoken": [""],
    }
