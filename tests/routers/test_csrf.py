"""Whatever changes something needs the proof that a page of the frontend sent it; made from the API's own document."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from app.auth.caller import PERSON
from app.main import create_app
from app.providers.model import TextDelta
from app.runs.clock import utc_now
from app.tokens import create_token
from tests.routers.drop_in import ADA, ORIGIN, DropIn, open_drop_in
from tests.routers.gateway import TOKENS, UNKNOWN_ID, assert_error, settings
from tests.routers.operations import UNSAFE, Operation, everything_of, make_ids, operations
from tests.runs.scripted import STOP, ScriptedClient, Step
from tests.stream_check import checked_client
from tests.voyage.csrf_token import mask, new_secret
from tests.voyage.fake import SESSION

EVERY_WAY = "voyage_session,service_tokens,static_tokens"
DOCUMENT: dict[str, Any] = create_app(settings("sqlite:///nowhere.db"), client=ScriptedClient()).openapi()
ALL = sorted(operations(DOCUMENT), key=lambda operation: operation.method == "DELETE")
CHANGING = [operation for operation in ALL if operation.method in UNSAFE]
READING = [operation for operation in ALL if operation.method not in UNSAFE]
KEYS = "/api/integrations/api-keys/"
LIST = "/api/chat/conversations/"
FOREIGN = "https://evil.example"
SITE = "https://voyage.example.org"
"""Trusted, as `ORIGIN` is."""
TOKEN, OTHER = mask(new_secret()), mask(new_secret())
ANSWER: list[Step] = [TextDelta('{"suggestions": []}'), STOP]
"""Good for a chat and for a day's suggestions."""


@dataclass(frozen=True)
class Sent:
    """What a request has besides its session; None for what it has not."""

    header: str | None = TOKEN
    cookie: str | None = TOKEN
    origin: str | None = ORIGIN
    referer: str | None = None

    def headers(self, sessionid: str | None) -> dict[str, str]:
        cookies = (("sessionid", sessionid), ("colortheme", "dark"), ("csrftoken", self.cookie))
        others = (("X-CSRFToken", self.header), ("Origin", self.origin), ("Referer", self.referer))
        return {
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies if value is not None),
            **{name: value for name, value in others if value is not None},
        }


REFUSED: list[tuple[Sent, str]] = [
    (Sent(header=None), "the token is missing in the header X-CSRFToken"),
    (Sent(header=""), "the token is missing in the header X-CSRFToken"),
    (Sent(cookie=None), "the token is missing in the cookie csrftoken"),
    (Sent(cookie=""), "the token is missing in the cookie csrftoken"),
    (Sent(cookie='""'), "the token is missing in the cookie csrftoken"),
    (Sent(cookie=f"{TOKEN}; csrftoken="), "the token is missing in the cookie csrftoken"),
    (Sent(header=None, cookie=None), "the token is missing in the header X-CSRFToken"),
    (Sent(header=OTHER), "do not match"),
    (Sent(header=new_secret()), "do not match"),
    (Sent(cookie=new_secret()), "do not match"),
    (Sent(cookie=f"{TOKEN}; csrftoken={OTHER}"), "do not match"),
    (Sent(header=TOKEN[:63]), "the token in the header X-CSRFToken is malformed"),
    (Sent(header=f"{TOKEN}a"), "the token in the header X-CSRFToken is malformed"),
    (Sent(header=TOKEN[:31], cookie=TOKEN[:31]), "the token in the header X-CSRFToken is malformed"),
    (Sent(cookie=TOKEN[:63]), "the token in the cookie csrftoken is malformed"),
    (Sent(origin=FOREIGN), f"the origin {FOREIGN} is not trusted"),
    (Sent(origin="null"), "the origin null is not trusted"),
    (Sent(origin=""), "the origin (empty) is not trusted"),
    (Sent(origin=f"{ORIGIN}.evil.example"), f"the origin {ORIGIN}.evil.example is not trusted"),
    (Sent(origin=f"{SITE}.evil.example"), f"the origin {SITE}.evil.example is not trusted"),
    (Sent(origin=f"{SITE}:8443"), f"the origin {SITE}:8443 is not trusted"),
    (Sent(origin=SITE.replace("https", "http")), "is not trusted"),
    (Sent(origin=SITE.replace("//", "//www.")), "is not trusted"),
    (Sent(origin=FOREIGN, referer=f"{ORIGIN}/"), f"the origin {FOREIGN} is not trusted"),
    (Sent(origin=None, referer=f"{FOREIGN}/{ORIGIN}"), f"the Referer's origin {FOREIGN} is not trusted"),
    (Sent(origin=None, referer="about:blank"), "the Referer's origin about:blank is not trusted"),
    (Sent(header=None, cookie=None, origin=FOREIGN), f"the origin {FOREIGN} is not trusted"),
]
"""And the reason that is given."""


def sharing(secret: str) -> Iterator[Sent]:
    """Give every pair of forms in which one secret may stand in header and cookie."""
    for header in (secret, mask(secret)):
        for cookie in (secret, mask(secret), f'"{secret}"', f"{OTHER}; csrftoken={mask(secret)}"):
            yield Sent(header=header, cookie=cookie)
            yield Sent(header=header, cookie=cookie, origin=None)
            yield Sent(header=header, cookie=cookie, origin=None, referer=f"{ORIGIN}/collections/1?x=1#y")
            yield Sent(header=header, cookie=cookie, origin=f"{SITE.upper()}:443", referer=f"{FOREIGN}/")


@dataclass(frozen=True)
class Door:
    """`page` is Ada's client as the frontend is; `http` sends nothing by itself."""

    house: DropIn
    sessionid: str
    page: httpx.AsyncClient
    http: httpx.AsyncClient
    trip: str

    async def call(self, operation: Operation, ids: dict[str, str], headers: dict[str, str]) -> httpx.Response:
        known = {"collection_id": self.trip, "provider": "openai"}
        body = operation.body and {name: known.get(name, value) for name, value in operation.body.items()}
        return await replace(operation, body=body).call(self.http, ids, **headers)

    async def serves(
        self, operation: Operation, ids: dict[str, str], headers: dict[str, str], owner: httpx.AsyncClient
    ) -> None:
        """Check that the request is served; makes what it deletes anew."""
        answer = await self.call(operation, ids, headers)
        assert answer.status_code < 300, (operation.name, answer.text)
        if operation.method == "DELETE":
            ids.update(await make_ids(self.house.gateway, owner))


@pytest.fixture
async def door(database_url: str) -> AsyncGenerator[Door]:
    given = {"auth_methods": EVERY_WAY, "trusted_origins": f"{ORIGIN}, {SITE}/"}
    async with open_drop_in(database_url, ANSWER, **given) as house:
        sessionid = house.voyage.sign_in(ADA)
        async with checked_client(house.base_url, Sent().headers(sessionid)) as page:
            yield Door(house, sessionid, page, house.gateway.nobody, house.voyage.add_trip(ADA))


def test_the_matrix_knows_every_surface() -> None:
    assert {operation.method for operation in CHANGING} == UNSAFE
    assert {operation.method for operation in READING} == {"GET"}
    surfaces = {"conversations", "send_message", "cancel", "suggestions", "api-keys", "ai-settings"}
    assert surfaces <= {part for operation in CHANGING for part in operation.path.split("/")}


async def test_no_change_without_the_proof(door: Door) -> None:
    ids = await make_ids(door.house.gateway, door.page)
    before, rows = await everything_of(door.page, ids), door.house.gateway.rows()
    asked, told = len(door.house.voyage.requests), len(door.house.gateway.model.requests)
    for operation in CHANGING:
        for sent, reason in REFUSED:
            answer = await door.call(operation, ids, sent.headers(door.sessionid))

            said = assert_error(answer, 403, "forbidden")
            assert said["error_detail"]["message"].startswith("CSRF check failed: "), (operation.name, sent)
            assert reason in said["detail"], (operation.name, sent)
            assert door.house.gateway.rows() == rows, (operation.name, sent)
    assert await everything_of(door.page, ids) == before
    assert (len(door.house.voyage.requests), len(door.house.gateway.model.requests)) == (asked, told)


async def test_every_change_is_served_with_it_and_every_read_without(door: Door) -> None:
    """Otherwise the test above would also pass with routes that serve nobody."""
    ids = await make_ids(door.house.gateway, door.page)
    for operation in CHANGING:
        await door.serves(operation, ids, Sent().headers(door.sessionid), door.page)
    for operation in READING:
        for sent in (Sent(header=None, cookie=""), Sent(header=OTHER, origin=FOREIGN), Sent(origin="null")):
            await door.serves(operation, ids, sent.headers(door.sessionid), door.page)


async def test_the_token_may_be_bare_or_masked_in_either_place(door: Door) -> None:
    secret = new_secret()
    for sent in sharing(secret):
        answer = await door.http.post(LIST, json={}, headers=sent.headers(door.sessionid))
        assert answer.status_code == 201, (sent, answer.text)
    refused = Sent(header=mask(secret), cookie=mask(new_secret()))
    assert_error(await door.http.post(LIST, json={}, headers=refused.headers(door.sessionid)), 403, "forbidden")


async def test_a_token_of_a_service_or_the_operator_needs_none(door: Door) -> None:
    token, _ = await create_token(
        door.house.gateway.services.database, name="b", user_id="billing", scopes=PERSON, expires_at=None, now=utc_now()
    )
    for bearer in (token.reveal(), TOKENS["ada"]):
        authorization = {"Authorization": f"Bearer {bearer}"}
        async with checked_client(door.house.base_url, authorization) as owner:
            ids = await make_ids(door.house.gateway, owner)
            for operation in CHANGING:
                if "suggestions" in operation.path:  # needs the caller's own session, to read the trip
                    continue
                headers = Sent(header=None, origin=FOREIGN).headers(door.sessionid) | authorization
                await door.serves(operation, ids, headers, owner)
    assert door.house.voyage.requests == []


async def test_who_is_not_signed_in_hears_that_first(door: Door) -> None:
    ids = await make_ids(door.house.gateway, door.page)
    rows, gone = door.house.gateway.rows(), door.house.voyage.sign_in(ADA)
    door.house.voyage.sign_out(gone)
    for operation in CHANGING:
        for sessionid in (None, "", gone, "not-a-session"):
            for sent in (Sent(), Sent(header=None, cookie=""), Sent(origin=FOREIGN)):
                assert_error(await door.call(operation, ids, sent.headers(sessionid)), 401, "not_authenticated")
    assert door.house.gateway.rows() == rows
    asked = {seen.cookies["sessionid"] for seen in door.house.voyage.requests if seen.path == SESSION}
    assert asked == {door.sessionid, gone}


async def test_the_proof_comes_before_the_ids_and_the_body(door: Door) -> None:
    headers = Sent(header=OTHER).headers(door.sessionid)
    bodies: tuple[Any, ...] = (None, [], {"message": 7, "title": 7, "nonsense": 7})
    for operation in CHANGING:
        for unknown in (UNKNOWN_ID, "x"):
            ids = dict.fromkeys(operation.ids, unknown)
            for body in (operation.body, *bodies):
                answer = await replace(operation, body=body).call(door.http, ids, **headers)
                assert_error(answer, 403, "forbidden")


async def test_without_a_master_key_the_key_storage_says_so_before_all_else(database_url: str) -> None:
    keys = [operation for operation in CHANGING if operation.path.startswith(KEYS)]
    assert {operation.method for operation in keys} == UNSAFE
    async with open_drop_in(database_url, credential_keys=None) as house:
        before = len(house.voyage.requests)
        for operation in keys:
            for sessionid in (house.ada.sessionid, None, "x"):
                for sent in (Sent(), Sent(header=None, cookie=""), Sent(origin=FOREIGN)):
                    ids = {"credential_id": UNKNOWN_ID}
                    answer = await operation.call(house.gateway.nobody, ids, **sent.headers(sessionid))
                    assert_error(answer, 503, "key_storage_not_configured")
        assert len(house.voyage.requests) == before
        refused = Sent(header=None).headers(house.ada.sessionid)
        assert_error(await house.gateway.nobody.post(LIST, json={}, headers=refused), 403, "forbidden")
