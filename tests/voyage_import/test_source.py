"""Voyage is read as it was at one moment, page by page, and never written."""

from collections.abc import Mapping
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.voyage_source import open_voyage
from app.db.voyage_tables import MessageOutline, VoyageConversation
from app.errors import VoyageUnavailable
from app.voyage_import.merge import Part, cut
from tests.voyage_import.voyage import NOON, Voyage, call


async def test_what_is_written_meanwhile_is_not_seen_and_nothing_can_be_written(voyage: Voyage) -> None:
    first = await voyage.conversation(await voyage.user(1))
    await voyage.message(first, "user")
    async with open_voyage(voyage.url) as source:
        pages = [await source.conversations(after=None, limit=10)]
        await voyage.message(first, "assistant")
        await voyage.conversation(1)
        pages.append(await source.conversations(after=None, limit=10))
        outlines = await source.outlines([first], after=None, limit=10)
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await source._connection.execute(text("DELETE FROM chat_chatmessage"))  # pyright: ignore[reportPrivateUsage]  # what no caller could do

    assert pages[0] == pages[1]
    assert [row.messages for row in pages[0]] == [len(outlines)] == [1]


Sizes = st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=5)


def parts_of(sizes: list[list[int]]) -> list[Part]:
    made: list[Part] = []
    for number, some in enumerate(sizes):
        id_ = UUID(int=number)
        row = VoyageConversation(id=id_, user_id=1, title="", created_at=NOON, updated_at=NOON, messages=len(some))
        outlines = [
            MessageOutline(id=UUID(int=1000 * number + place), conversation_id=id_, created_at=NOON, rank=1, size=size)
            for place, size in enumerate(some, start=1)
        ]
        made.append(Part(conversation=row, outlines=outlines, last=True))
    return made


@given(Sizes, st.integers(1, 20), st.sets(st.integers(0, 5)))
def test_pieces_have_everything_in_order_and_are_within_the_limit(
    sizes: list[list[int]], limit: int, unneeded: set[int]
) -> None:
    parts = parts_of(sizes)
    cost: Mapping[UUID, int] = {
        outline.id: outline.size for part in parts for outline in part.outlines if outline.id.int % 1000 not in unneeded
    }

    pieces = list(cut(parts, set(cost), limit))

    cut_up = [part for piece in pieces for part in piece]
    said = [outline.id for part in cut_up for outline in part.outlines]
    assert said == [outline.id for part in parts for outline in part.outlines]
    assert [part.conversation.id for part in cut_up if part.last] == [part.conversation.id for part in parts]
    for piece in pieces:
        needed = [cost[outline.id] for part in piece for outline in part.outlines if cost.get(outline.id)]
        assert sum(needed) <= limit or len(needed) == 1


async def test_calls_that_are_small_on_the_disk_count_as_large_as_they_are_in_memory(voyage: Voyage) -> None:
    conversation = await voyage.conversation(await voyage.user(1))
    calls = [call(arguments="x" * 100_000)]
    ids = [await voyage.message(conversation, "assistant", "é", tool_calls=calls, at=number) for number in range(3)]
    plain = await voyage.message(conversation, "user", "é", at=4)
    async with open_voyage(voyage.url) as source:
        rows = await source.conversations(after=None, limit=10)
        outlines = await source.outlines([conversation], after=None, limit=10)
        messages = await source.messages([*ids, plain])

    held = {id_: len((row.content + (row.tool_calls or "")).encode()) for id_, row in messages.items()}
    pieces = list(cut([Part(conversation=rows[0], outlines=outlines, last=True)], set(held), 250_000))

    assert {outline.id: outline.size for outline in outlines} == held
    assert [[outline.id for part in piece for outline in part.outlines] for piece in pieces] == [
        ids[:2],
        [ids[2], plain],
    ]


async def test_a_connection_that_is_lost_says_which_and_what_to_do(voyage: Voyage) -> None:
    await voyage.user(1)
    cut_off = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    async with open_voyage(voyage.url) as source:
        await voyage.execute(cut_off, "voyage")
        with pytest.raises(VoyageUnavailable) as failure:
            await source.conversations(after=None, limit=10)

    assert "--from" in failure.value.sentence
    assert "run it again" in failure.value.sentence
    assert failure.value.__cause__ is None
