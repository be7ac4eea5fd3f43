"""The fake says what Voyage says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.voyage.csrf_token import secret_in
from tests.voyage.fake import ANONYMOUS, COLLECTIONS, METADATA, PREFERENCES, SESSION, FakeVoyage, Trouble


@pytest.fixture
async def voyage() -> AsyncIterator[FakeVoyage]:
    async with FakeVoyage() as running:
        yield running


async def ask(voyage: FakeVoyage, path: str, sessionid: str | None = None, **headers: str) -> httpx.Response:
    if sessionid:
        headers["Cookie"] = f"sessionid={sessionid}"
    async with httpx.AsyncClient(base_url=voyage.base_url, trust_env=False, timeout=5) as client:
        return await client.get(path, headers=headers)


async def test_the_session_endpoint_gives_the_numeric_id_and_renews_the_cookie(voyage: FakeVoyage) -> None:
    sessionid = voyage.sign_in(7, "tia")

    answer = await ask(voyage, SESSION, sessionid)

    assert (answer.status_code, answer.json()["data"]["user"]["id"], answer.json()["meta"]) == (
        200,
        7,
        {"is_authenticated": True},
    )
    assert f"sessionid={sessionid}; HttpOnly; Max-Age=1209600" in answer.headers["set-cookie"]
    assert (await ask(voyage, SESSION, x_session_token=sessionid)).status_code == 401
    assert (await ask(voyage, SESSION, **{"X-Session-Token": sessionid})).status_code == 200


async def test_nobody_is_signed_in_after_signing_out(voyage: FakeVoyage) -> None:
    sessionid = voyage.sign_in(7)
    voyage.sign_out(sessionid)

    session, metadata, preferences = [await ask(voyage, path, sessionid) for path in (SESSION, METADATA, PREFERENCES)]

    assert session.status_code == 401
    assert 'sessionid=""' in session.headers["set-cookie"]
    assert session.json()["meta"] == {"is_authenticated": False}
    assert (metadata.status_code, metadata.json()) == (403, {"detail": ANONYMOUS})
    assert (preferences.status_code, preferences.json()) == (403, {"detail": ANONYMOUS})


async def test_views_without_their_slash_move_the_caller_and_keep_the_query(voyage: FakeVoyage) -> None:
    moved = await ask(voyage, "/auth/user-metadata?format=json")

    assert (moved.status_code, moved.headers["location"]) == (301, "/auth/user-metadata/?format=json")
    assert (await ask(voyage, f"{SESSION}/")).status_code == 404


async def test_a_csrf_token_is_the_cookies_secret_under_a_mask(voyage: FakeVoyage) -> None:
    first = await ask(voyage, "/csrf/")
    token = first.json()["csrfToken"]
    again = await ask(voyage, "/csrf/", Cookie=f"csrftoken={token}")

    assert len(token) == 64
    assert first.cookies["csrftoken"] == secret_in(token) == again.cookies["csrftoken"]
    assert token != again.json()["csrfToken"]


async def test_a_day_has_a_thousand_views_for_each_user(voyage: FakeVoyage) -> None:
    voyage.budget = 2
    spender, other = voyage.sign_in(1), voyage.sign_in(2)
    statuses = [(await ask(voyage, METADATA, spender)).status_code for _ in range(3)]

    refused = await ask(voyage, PREFERENCES, spender)

    assert statuses == [200, 200, 429]
    assert refused.json() == {
        "detail": f"Request was throttled. Expected available in {refused.headers['retry-after']} seconds."
    }
    assert (await ask(voyage, SESSION, spender)).status_code == 200
    assert (await ask(voyage, "/csrf/", spender)).status_code == 200
    assert (await ask(voyage, METADATA, other)).status_code == 200
    assert FakeVoyage().budget == 1000


def current(trip: dict[str, Any]) -> list[str]:
    return [member["username"] for member in trip["collaborators"] if member["is_current_user"]]


async def test_a_trip_is_seen_by_its_members_and_a_public_one_by_all(voyage: FakeVoyage) -> None:
    owner, member, stranger = voyage.sign_in(1, "tia"), voyage.sign_in(2, "sam"), voyage.sign_in(3)
    private = COLLECTIONS + voyage.add_trip(1, shared_with=[2], locations=[{"name": "Belém"}]) + "/"
    public = COLLECTIONS + voyage.add_trip(1, public=True, start_date="2027-03-10") + "/"

    shown = (await ask(voyage, private, owner)).json()

    assert (shown["name"], [place["name"] for place in shown["locations"]]) == ("Lisbon Week", ["Belém"])
    assert current(shown) == ["tia"]
    assert shown.keys() - (await ask(voyage, f"{private}?nested=true", owner)).json().keys() == {
        "transportations",
        "lodging",
        "notes",
        "checklists",
    }
    assert current((await ask(voyage, private, member)).json()) == ["sam"]
    for outsider in (stranger, None):
        hidden, seen = await ask(voyage, private, outsider), await ask(voyage, public, outsider)
        assert (hidden.status_code, hidden.json()) == (404, {"detail": "No Collection matches the given query."})
        assert (seen.status_code, current(seen.json()), seen.json()["start_date"]) == (200, [], "2027-03-10")
    assert (await ask(voyage, f"{COLLECTIONS}nonsense/", owner)).json() == {"detail": "Not found."}
    assert (await ask(voyage, f"{COLLECTIONS}{uuid4()}/", owner)).status_code == 404


async def test_preferences_are_a_list_of_none_or_one(voyage: FakeVoyage) -> None:
    some, none = voyage.sign_in(1), voyage.sign_in(2)
    voyage.preferences[1] = {"interests": ["museum"], "trip_style": "slow"}

    assert [(row["interests"], row["cuisines"]) for row in (await ask(voyage, PREFERENCES, some)).json()] == [
        (["museum"], None)
    ]
    assert (await ask(voyage, PREFERENCES, none)).json() == []


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (Trouble.status(502), 502),
        (Trouble.html(), 200),
        (Trouble.garbage(), 200),
        (Trouble.json([]), 200),
        (Trouble.throttled(None), 429),
        (Trouble.redirect(), 302),
    ],
)
async def test_trouble_on_one_path_leaves_the_others_alone(voyage: FakeVoyage, trouble: Trouble, status: int) -> None:
    voyage.trouble = Trouble(trouble.play, path=SESSION)

    assert (await ask(voyage, SESSION)).status_code == status
    assert (await ask(voyage, METADATA)).status_code == 403
    voyage.trouble = None
    assert (await ask(voyage, SESSION)).status_code == 401


async def test_who_follows_a_redirect_is_somebody_else(voyage: FakeVoyage) -> None:
    voyage.trouble = Trouble.redirect(path=SESSION)

    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
        assert (await client.get(voyage.base_url + SESSION)).json()["data"]["user"]["id"] == 666


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble.cut(), httpx.RemoteProtocolError),
        (Trouble.reset(), httpx.RemoteProtocolError),
        (Trouble.hang(), httpx.ReadTimeout),
    ],
)
async def test_a_broken_answer_breaks_the_call(
    voyage: FakeVoyage, trouble: Trouble, error: type[httpx.HTTPError]
) -> None:
    voyage.trouble = trouble

    async with httpx.AsyncClient(base_url=voyage.base_url, trust_env=False, timeout=0.2) as client:
        with pytest.raises(error):
            await client.get(SESSION)
    await voyage.until(lambda: voyage.open_requests == 0)


async def test_a_dripping_answer_has_no_end(voyage: FakeVoyage) -> None:
    voyage.trouble = Trouble.drip(every_s=0.001)

    async with (
        httpx.AsyncClient(trust_env=False, timeout=5) as client,
        client.stream("GET", voyage.base_url + SESSION) as answer,
    ):
        chunks = answer.aiter_raw(1)
        assert b"".join([await anext(chunks) for _ in range(20)]) == b" " * 20


async def test_held_requests_are_answered_when_the_gate_opens(voyage: FakeVoyage) -> None:
    gate = asyncio.Event()
    voyage.trouble = Trouble.hold(gate)
    asking = [asyncio.create_task(ask(voyage, SESSION)) for _ in range(2)]
    await voyage.until(lambda: voyage.most_open_requests == 2)

    gate.set()

    assert [answer.status_code for answer in await asyncio.gather(*asking)] == [401, 401]


async def test_closing_ends_what_hangs_and_the_address_returns() -> None:
    async with FakeVoyage() as voyage:
        address = voyage.base_url
        voyage.trouble = Trouble.hang()
        asking = asyncio.create_task(ask(voyage, SESSION))
        await voyage.until(lambda: voyage.count(SESSION) == 1)
        async with asyncio.timeout(3):
            await voyage.stop()
        with pytest.raises(httpx.TransportError):
            await asking
        with pytest.raises(httpx.ConnectError):
            await ask(voyage, SESSION)
        voyage.trouble = None
        await voyage.start()
        assert voyage.base_url == address
        assert (await ask(voyage, SESSION)).status_code == 401


async def test_every_request_is_written_down(voyage: FakeVoyage) -> None:
    await ask(voyage, f"{SESSION}?a=1", "s" * 32, Accept="application/json")

    (seen,) = voyage.requests
    assert (seen.method, seen.path, seen.query) == ("GET", SESSION, {"a": "1"})
    assert (seen.headers["accept"], seen.cookies) == ("application/json", {"sessionid": "s" * 32})
