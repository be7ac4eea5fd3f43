"""People who are signed in to Voyage, over HTTP: one question for many requests, logouts, and a Voyage that is away."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from io import StringIO
from time import monotonic

import httpx
import pytest
import structlog
from aiohttp import web

from app import log
from app.auth.caller import Scope
from app.providers.model import TextDelta
from app.runs.clock import utc_now
from app.tokens import create_token
from app.voyage.client import ROOMS, Asks
from tests.routers.drop_in import ADA, BOB, ORIGIN, DropIn, open_drop_in
from tests.routers.gateway import TOKENS, assert_error
from tests.routers.operations import operations
from tests.runs.scripted import STOP, Pause, Step
from tests.voyage.csrf_token import mask, new_secret, secret_in
from tests.voyage.fake import PREFERENCES, SESSION, Trouble
from tests.voyage.frontend import BROWSER_HEADERS, Frontend
from tests.voyage.trouble import TRAP
from tests.voyage_reader import read_cut

LIST = "/api/chat/conversations/"
EVERY_WAY = "voyage_session,service_tokens,static_tokens"
STRANGERS = ROOMS[Asks.NEW_SESSION]
"""Room for sessions that were never seen."""
SLACK_S = 2.0
"""What a busy machine may add."""
FORGED = {
    **BROWSER_HEADERS,
    "Authorization": "Basic c3RhZ2luZzpwYXNzd29yZA==",
    "Referer": f"{ORIGIN}/collections/1",
    "X-User-Id": "1",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-User": "admin",
    "X-Forwarded-Host": "evil.example",
    "X-On-Behalf-Of": "1",
    "X-Session-Token": "b" * 32,
    "Forwarded": "for=127.0.0.1;host=evil.example",
    "Proxy-Authorization": "Basic c3RhZ2luZzpwYXNzd29yZA==",
}


def page_of(sessionid: str) -> dict[str, str]:
    """What a page of the frontend sends of somebody who is signed in."""
    token = mask(new_secret())
    return {"Cookie": f"sessionid={sessionid}; csrftoken={token}", "X-CSRFToken": token, "Origin": ORIGIN}


async def read(house: DropIn, sessionid: str) -> httpx.Response:
    return await house.gateway.nobody.get(LIST, headers={"Cookie": f"sessionid={sessionid}; csrftoken="})


async def create(house: DropIn, headers: Mapping[str, str]) -> httpx.Response:
    return await house.gateway.nobody.post(LIST, json={}, headers=headers)


async def send(
    house: DropIn, created: httpx.Response, headers: Mapping[str, str], trip: str | None = None
) -> httpx.Response:
    path = f"{LIST}{created.json()['id']}/send_message/"
    body = {"message": "Hi"} | ({"collection_id": trip} if trip else {})
    return await house.gateway.nobody.post(path, json=body, headers=headers)


@pytest.fixture
async def house(database_url: str) -> AsyncGenerator[DropIn]:
    async with open_drop_in(database_url, auth_methods=EVERY_WAY) as opened:
        yield opened


class Connection:
    """One request on a connection of its own, without a client's work: hundreds can be under way at once."""

    async def ask(self, house: DropIn, headers: Mapping[str, str]) -> None:
        """Send it; the answer is waited for by `answer`."""
        url = httpx.URL(house.base_url)
        self._reader, self._writer = await asyncio.open_connection(url.host, url.port)
        sent = {"Host": url.netloc.decode(), "Connection": "close", **headers}
        lines = [f"GET {LIST} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        self._writer.write("\r\n".join(lines).encode())
        await self._writer.drain()

    async def answer(self) -> list[str]:
        """Give the ids of the listed conversations."""
        async with asyncio.timeout(10):
            whole = await self._reader.read()
        self._writer.close()
        await self._writer.wait_closed()
        head, _, body = whole.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), whole
        return [line["id"] for line in json.loads(body)]


async def test_200_requests_of_one_session_at_once_are_one_question(house: DropIn) -> None:
    gate = asyncio.Event()
    house.voyage.trouble = Trouble.hold(gate)
    connections = [Connection() for _ in range(200)]
    for connection in connections:
        await connection.ask(house, {"Cookie": f"sessionid={house.ada.sessionid}; csrftoken="})
    await house.voyage.until(lambda: house.voyage.open_requests == 1)
    gate.set()

    assert await asyncio.gather(*(connection.answer() for connection in connections)) == [[]] * 200
    assert [seen.path for seen in house.voyage.requests] == [SESSION]


async def test_a_logout_is_effective_within_the_setting_and_a_new_login_at_once(database_url: str) -> None:
    async with open_drop_in(database_url, session_cache_seconds=0.5) as house:
        sessionid = house.voyage.sign_in(ADA)
        created = await create(house, page_of(sessionid))
        house.voyage.sign_out(sessionid)
        signed_out = monotonic()
        while True:
            began = monotonic()
            answer = await read(house, sessionid)
            if answer.status_code != 200:
                break
            assert began - signed_out < 0.5, "the old word is believed for too long"

        assert "ended" in assert_error(answer, 401, "not_authenticated")["detail"]
        assert_error(await create(house, page_of(sessionid)), 401, "not_authenticated")
        again = await read(house, house.voyage.sign_in(ADA))
        assert [line["id"] for line in again.json()] == [created.json()["id"]]
        assert (await read(house, house.voyage.sign_in(BOB))).json() == []


TROUBLES: list[tuple[Trouble | None, str]] = [
    (Trouble.throttled(86400), "60"),
    (Trouble.throttled(7), "7"),
    (Trouble.throttled(None), "5"),
    (Trouble.throttled(0), "1"),
    (Trouble.throttled("Wed, 21 Oct 2037 07:28:00 GMT"), "5"),
    (Trouble.status(500), "5"),
    (Trouble.status(403), "5"),
    (Trouble.hang(), "5"),
    (Trouble.drip(), "5"),
    (Trouble.redirect(), "5"),
    (Trouble.redirect(SESSION, status=307), "5"),
    (Trouble.html(), "5"),
    (Trouble.html(401), "5"),
    (Trouble.json({"status": 200}), "5"),
    (Trouble.garbage(), "5"),
    (Trouble.cut(), "5"),
    (Trouble.reset(), "5"),
    (None, "5"),
]
"""What Voyage does, None for refusing connections, and how long callers are told to wait, in seconds."""


async def fail(house: DropIn, trouble: Trouble | None) -> None:
    house.voyage.trouble = trouble
    if trouble is None:
        await house.voyage.stop()


async def recover(house: DropIn) -> None:
    if house.voyage.trouble is None:
        await house.voyage.start()
    house.voyage.trouble = None


async def test_whatever_fails_at_voyage_is_a_503_in_bounded_time_and_over_at_once(database_url: str) -> None:
    async with open_drop_in(database_url, voyage_seconds=0.3) as house:
        before = house.gateway.rows()
        for trouble, retry_after in TROUBLES:
            sessionid = house.voyage.sign_in(ADA)
            await fail(house, trouble)
            began = monotonic()
            answers = await asyncio.gather(read(house, sessionid), create(house, page_of(sessionid)))
            assert monotonic() - began < 0.3 + SLACK_S

            for answer in answers:
                said = assert_error(answer, 503, "auth_unavailable")
                assert answer.headers["retry-after"] == retry_after
                assert (said["error_detail"]["retryable"], type(said["error"])) == (True, str)
                assert house.voyage.base_url.removeprefix("http://") not in answer.text
            assert house.gateway.rows() == before

            await recover(house)
            assert (await read(house, sessionid)).json() == []
        assert house.voyage.count(TRAP) == 0


async def test_a_stream_outlives_voyage_while_new_requests_are_told_to_wait(database_url: str) -> None:
    pause = Pause()
    script: list[Step] = [TextDelta("Lisbon "), pause, TextDelta("is lovely"), STOP]
    async with open_drop_in(database_url, script, session_cache_seconds=0.2) as house:
        sessionid, http = house.voyage.sign_in(ADA), house.gateway.nobody
        path = f"{LIST}{(await create(house, page_of(sessionid))).json()['id']}/"
        body = {"message": "Where to?"}
        async with http.stream("POST", f"{path}send_message/", json=body, headers=page_of(sessionid)) as stream:
            async with asyncio.timeout(10):
                await pause.reached.wait()
            await house.voyage.stop()
            async with asyncio.timeout(0.2 + SLACK_S):
                while (answer := await read(house, sessionid)).status_code == 200:
                    pass
            assert_error(answer, 503, "auth_unavailable")
            assert_error(await create(house, page_of(sessionid)), 503, "auth_unavailable")
            pause.release.set()
            whole = await stream.aread()

        assert whole.endswith(b"data: [DONE]\n\n")
        assert read_cut(whole, 7).bubble == "Lisbon is lovely"
        await house.voyage.start()
        stored = (await http.get(path, headers=page_of(sessionid))).json()["messages"][1]
        assert (stored["content"], stored["status"]) == ("Lisbon is lovely", "completed")


async def test_many_unknown_sessions_at_a_voyage_that_hangs_lock_nobody_else_out(database_url: str) -> None:
    async with open_drop_in(database_url, auth_methods=EVERY_WAY, voyage_seconds=0.8) as house:
        house.voyage.trouble = Trouble.hang()
        began = monotonic()
        asking = [asyncio.create_task(read(house, new_secret())) for _ in range(STRANGERS.slots + 10)]
        await house.voyage.until(lambda: house.voyage.open_requests == STRANGERS.slots)
        told = await house.gateway.tell(await house.gateway.new_conversation())
        meanwhile = [task.done() for task in asking]
        answers = await asyncio.gather(*asking)
        took = monotonic() - began

    assert told.bubble == "Lisbon is lovely "
    assert meanwhile == [False] * (STRANGERS.slots + 10)
    for answer in answers:
        assert_error(answer, 503, "auth_unavailable")
    assert took < 0.8 + SLACK_S
    assert house.voyage.most_open_requests == STRANGERS.slots


async def test_a_flood_of_made_up_sessions_locks_nobody_out_who_is_signed_in(database_url: str) -> None:
    gate, fit = asyncio.Event(), STRANGERS.slots + (STRANGERS.waiting or 0)
    async with open_drop_in(database_url, session_cache_seconds=0.001, voyage_seconds=60) as house:
        sessionid = house.voyage.sign_in(ADA)
        assert (await read(house, sessionid)).status_code == 200

        async def hold_strangers(request: web.Request) -> None:
            if request.cookies["sessionid"] != sessionid:
                await gate.wait()

        house.voyage.trouble = Trouble(hold_strangers)
        flood = [asyncio.create_task(read(house, new_secret())) for _ in range(fit + 50)]
        async with asyncio.timeout(10):
            for _ in range(3):
                assert (await read(house, sessionid)).status_code == 200
            refused: set[asyncio.Task[httpx.Response]] = set()
            while len(refused) < 50:
                done, _ = await asyncio.wait(set(flood) - refused, return_when=asyncio.FIRST_COMPLETED)
                refused |= done
        for answer in refused:
            assert_error(answer.result(), 503, "auth_unavailable")
            assert answer.result().headers["retry-after"] == "5"
        assert sum(task.done() for task in flood) == 50
        gate.set()
        assert [answer.status_code for answer in await asyncio.gather(*flood)].count(401) == fit
        assert house.voyage.most_open_requests == STRANGERS.slots + 1


async def test_nothing_but_the_session_reaches_voyage(house: DropIn) -> None:
    sessionid, trip = house.voyage.sign_in(ADA), house.voyage.add_trip(ADA)
    headers = {**FORGED, **page_of(sessionid)}
    headers["Cookie"] = f"locale=en; colortheme=dark; {headers['Cookie']}; auth=s3cret; odd"
    created = await create(house, headers)
    sent = await send(house, created, headers, trip)

    assert (created.status_code, sent.status_code) == (201, 200)
    paths = {seen.path for seen in house.voyage.requests}
    assert paths == {SESSION, PREFERENCES, f"/api/collections/{trip}/"}
    for seen in house.voyage.requests:
        assert set(seen.headers) == {"host", "user-agent", "accept", "accept-encoding", "cookie"}
        assert seen.headers["cookie"] == f"sessionid={sessionid}"
        assert seen.headers["host"] == house.voyage.base_url.removeprefix("http://")
        assert (seen.method, seen.query) == ("GET", {})


async def test_voyage_is_never_asked_about_requests_with_a_token(house: DropIn) -> None:
    scopes = frozenset({Scope.CHAT})
    service, _ = await create_token(
        house.gateway.services.database, name="b", user_id=str(ADA), scopes=scopes, expires_at=None, now=utc_now()
    )
    trip = house.voyage.add_trip(ADA)
    for token in (TOKENS["ada"], service.reveal()):
        headers = {**page_of(house.voyage.sign_in(ADA)), "Authorization": f"Bearer {token}"}
        created = await create(house, headers)
        assert created.status_code == 201
        assert (await send(house, created, headers, trip)).content.endswith(b"data: [DONE]\n\n")
    for wrong in (TOKENS["ada"] + "x", "vgw_x", service.reveal() + "x", ""):
        headers = {**page_of(house.voyage.sign_in(ADA)), "Authorization": f"Bearer {wrong}".strip()}
        assert_error(await create(house, headers), 401, "not_authenticated")

    assert house.voyage.requests == []


async def test_the_header_of_the_mobile_app_is_nobody(house: DropIn) -> None:
    sessionid, http = house.voyage.sign_in(ADA), house.gateway.nobody
    ids: dict[str, str] = dict.fromkeys(
        ("conversation_id", "run_id", "message_id", "credential_id", "settings_id"), "x"
    )
    page = {**page_of(sessionid), "X-Session-Token": sessionid}
    for operation in operations((await http.get("/openapi.json")).json()):
        for session in ("", "sessionid=; "):
            cookie = f"{session}csrftoken={page['X-CSRFToken']}"
            answer = await operation.call(http, ids, **page | {"Cookie": cookie})
            assert_error(answer, 401, "not_authenticated")
    assert house.voyage.requests == []


async def test_two_people_never_mix_under_load(house: DropIn) -> None:
    mine = [(await create(house, page_of(house.voyage.sign_in(user)))).json()["id"] for user in (ADA, BOB)]
    people, gate = [house.voyage.sign_in(user) for user in (ADA, BOB)], asyncio.Event()
    house.voyage.trouble = Trouble.hold(gate)
    connections = [Connection() for _ in range(100)]
    for number, connection in enumerate(connections):
        me, other = people[number % 2], people[1 - number % 2]
        claims = {"Cookie": f"sessionid={me}; csrftoken=", "X-Session-Token": other}
        await connection.ask(house, FORGED | claims)
    await house.voyage.until(lambda: house.voyage.open_requests == 2)
    gate.set()

    answers = await asyncio.gather(*(connection.answer() for connection in connections))
    assert answers == [[mine[0]], [mine[1]]] * 50
    assert house.voyage.count(SESSION) == 4


async def by_cookies(house: DropIn, cookies: Sequence[str]) -> httpx.Response:
    """Ask with these Cookie headers."""
    headers = httpx.Headers([(b"Cookie", cookie.encode()) for cookie in cookies])
    return await house.gateway.nobody.get(LIST, headers=headers)


async def test_cookies_come_in_many_forms(house: DropIn) -> None:
    ada, bob = house.voyage.sign_in(ADA), house.voyage.sign_in(BOB)
    mine = (await create(house, page_of(ada))).json()["id"]
    for cookies in (
        [f"sessionid={ada}"],
        [f"sessionid={ada}; csrftoken="],
        [f"csrftoken=; colortheme=dark; sessionid={ada}; locale=en-US"],
        [f'sessionid="{ada}"; csrftoken=""'],
        [f"sessionid={ada}; colortheme=dark; csrftoken=; sessionid={ada}"],
        [f"sessionid=; sessionid={ada}"],
        [f"sessionid={ada}", "csrftoken=", "locale=de"],
        [f";; sessionid = {ada} ;=; lonely; __Host-x=a=b=c"],
        [f"note=été; sessionid={ada}"],
    ):
        answer = await by_cookies(house, cookies)
        assert (answer.status_code, [line["id"] for line in answer.json()]) == (200, [mine]), cookies
    for cookies in (
        [f"sessionid={ada}; sessionid={bob}"],
        [f"sessionid={ada}", f"sessionid={bob}"],
        [f"SESSIONID={ada}"],
        [f"sessionid={ada}x-"],
        [f"sessionid={ada}, sessionid={bob}"],
        ["sessionid=; csrftoken="],
        ["sessionid; csrftoken"],
    ):
        assert_error(await by_cookies(house, cookies), 401, "not_authenticated")

    for same_host in (True, False):  # another host has the session twice
        async with Frontend(house.base_url, house.voyage.base_url, ada, ORIGIN, same_host=same_host) as frontend:
            created = (await frontend.post(LIST, {})).json()["id"]
            for listed in (await frontend.get(LIST), await frontend.server_load(LIST)):
                assert [line["id"] for line in listed.json()] == [created, mine]
            assert (await frontend.delete(f"{LIST}{created}/")).status == 204


@pytest.fixture
def everything_logged() -> Iterator[StringIO]:
    """Log as `GATEWAY_LOG_LEVEL=DEBUG` does, into memory."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    log.configure("DEBUG", "json")
    written = StringIO()
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(written)  # pyright: ignore[reportUnknownMemberType]  # its stream type is not known
    yield written
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


async def test_sessions_and_tokens_are_in_no_log_and_no_answer(database_url: str, everything_logged: StringIO) -> None:
    planted: list[str] = []
    answers: list[httpx.Response] = []
    async with open_drop_in(database_url, auth_methods=EVERY_WAY, voyage_seconds=0.2) as house:
        for trouble, _ in TROUBLES:
            sessionid, other, wrong = house.voyage.sign_in(ADA), new_secret(), mask(new_secret())
            page, bearer = page_of(sessionid), f"vgw_{new_secret()[:8]}_{new_secret()}_abcdef"
            token = page["X-CSRFToken"]
            planted += [
                sessionid,
                other,
                token,
                wrong,
                *filter(None, map(secret_in, (token, wrong))),
                bearer,
                bearer[13:45],
            ]
            await fail(house, trouble)
            answers.append(await create(house, page))
            await recover(house)
            answers += [created := await create(house, page), sent := await send(house, created, page)]
            assert (created.status_code, sent.status_code) == (201, 200)
            for changed in (
                {"X-CSRFToken": wrong},
                {"X-CSRFToken": wrong[:63]},
                {"Origin": "null"},
                {"Authorization": f"Bearer {bearer}"},
                {"Authorization": f"Bearer {wrong}"},
                {"Authorization": f"Basic {wrong}"},
                {"Cookie": f"sessionid={sessionid}; sessionid={other}"},
                {"Cookie": f"sessionid={sessionid}{other}-"},
                {"Cookie": f"sessionid={other}; csrftoken={wrong}"},
            ):
                answers.append(await create(house, page | changed))
        logged = everything_logged.getvalue()

    assert logged.count("voyage_away") == logged.count("run.ended") == len(TROUBLES)
    assert {answer.status_code for answer in answers} == {200, 201, 401, 403, 503}
    told = "".join(f"{answer.headers}{answer.text}" for answer in answers)
    assert [text for text in planted if text in told] == []
    assert [text for text in planted if text in logged] == []
