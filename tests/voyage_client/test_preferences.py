"""What is read of a person's wishes."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.secret import Secret
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageClient
from app.voyage.preferences import (
    MAX_INTEREST_CHARS,
    MAX_INTERESTS,
    MAX_NOTES_CHARS,
    MAX_STYLE_CHARS,
    Preferences,
    fetch_preferences,
)
from tests.voyage.fake import PREFERENCES, FakeVoyage, Trouble
from tests.voyage_client.strange_json import ANYTHING, TEXT, objects


async def fetch(client: VoyageClient, sessionid: str) -> Preferences | None:
    return await fetch_preferences(client, Secret(sessionid))


async def test_everybody_has_their_own(voyage: FakeVoyage, client: VoyageClient) -> None:
    tia, sam, none = voyage.sign_in(1), voyage.sign_in(2), voyage.sign_in(3)
    voyage.preferences[1] = {"interests": ["museums", "hiking"], "trip_style": "comfort", "notes": "Often in Lisbon"}
    voyage.preferences[2] = {"cuisines": "Thai,\nPeranakan"}

    assert [await fetch(client, sessionid) for sessionid in (tia, sam, none)] == [
        Preferences(interests=("museums", "hiking"), trip_style="comfort", notes="Often in Lisbon"),
        Preferences(cuisines="Thai, Peranakan"),
        None,
    ]
    assert {(seen.method, seen.path) for seen in voyage.requests} == {("GET", PREFERENCES)}


@pytest.mark.parametrize("row", [{}, {"interests": [], "trip_style": " ", "notes": "\n"}, {"interests": "all"}])
async def test_an_empty_profile_is_none(voyage: FakeVoyage, client: VoyageClient, row: dict[str, Any]) -> None:
    voyage.preferences[1] = row

    assert await fetch(client, voyage.sign_in(1)) is None


async def test_nobody_who_is_signed_out_has_wishes(voyage: FakeVoyage, client: VoyageClient) -> None:
    assert await fetch(client, "x" * 32) is None
    voyage.trouble = Trouble.json({"detail": "No."}, status=401)
    assert await fetch(client, voyage.sign_in(1)) is None


async def test_wishes_are_bounded(voyage: FakeVoyage, client: VoyageClient) -> None:
    interests = [None, 7, " ", "a\n## b", *("i" * 300 for _ in range(20))]
    voyage.preferences[1] = {"interests": interests, "trip_style": "s" * 300, "notes": "n" * 3000}

    assert await fetch(client, voyage.sign_in(1)) == Preferences(
        interests=("a ## b", *["i" * MAX_INTEREST_CHARS] * (MAX_INTERESTS - 1)),
        trip_style="s" * MAX_STYLE_CHARS,
        notes="n" * MAX_NOTES_CHARS,
    )


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Trouble.status(502), "status_502"),
        (Trouble.throttled(), "throttled"),
        (Trouble.redirect(), "redirected"),
        (Trouble.garbage(), "not_json"),
        (Trouble.huge(), "too_large"),
        (Trouble.cut(), "closed"),
        (Trouble.status(404), "unexpected_answer"),
        (Trouble.json({"results": []}), "unexpected_answer"),
        (Trouble.json([], status=400), "unexpected_answer"),
    ],
)
async def test_every_trouble_is_voyages_absence(
    voyage: FakeVoyage, client: VoyageClient, trouble: Trouble, reason: str
) -> None:
    sessionid = voyage.sign_in(1)
    voyage.trouble = trouble

    with pytest.raises(VoyageAway) as away:
        await fetch(client, sessionid)

    assert away.value.reason == reason


@pytest.mark.parametrize("trouble", [Trouble.hang(), Trouble.drip()])
async def test_wishes_that_do_not_come_are_given_up(voyage: FakeVoyage, trouble: Trouble) -> None:
    voyage.trouble = trouble

    async with VoyageClient(voyage.base_url, seconds=0.05) as hasty:
        with pytest.raises(VoyageAway, match="timeout"):
            await fetch_preferences(hasty, Secret(voyage.sign_in(1)))


ROW = objects(interests=st.lists(TEXT, max_size=12), trip_style=TEXT, notes=TEXT, cuisines=TEXT)


@settings(max_examples=25)
@given(st.lists(st.one_of(st.lists(ROW, max_size=2), ANYTHING), max_size=8))
def test_whatever_voyage_says_wishes_are_bounded_and_of_single_lines(bodies: list[Any]) -> None:
    async def check() -> None:
        async with FakeVoyage() as voyage, VoyageClient(voyage.base_url) as client:
            for body in bodies:
                voyage.trouble = Trouble.json(body)
                try:
                    wishes = await fetch(client, "s" * 32)
                except VoyageAway:
                    continue
                if wishes is not None:
                    texts = [*wishes.interests, wishes.trip_style, wishes.notes, wishes.cuisines]
                    assert any(texts)
                    assert all(text is None or text.splitlines() == [text] for text in texts)
                    assert all(len(text) <= MAX_NOTES_CHARS for text in texts if text)
                    assert len(wishes.interests) <= MAX_INTERESTS

    asyncio.run(check())
