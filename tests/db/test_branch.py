from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from app.db.branch import ROOT, on_ranges, ranges, turns_of
from app.db.messages import count_before, list_messages, list_newest_messages, question_of
from app.db.models import Message
from app.db.session import Database
from tests.db.rows import NOON, begin, finish, new_conversation


@dataclass(frozen=True)
class Row:
    seq: int
    parent_seq: int | None
    role: str


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["continue", "regenerate", "edit", "follow"]), st.integers(0, 30)), max_size=12
)


def grown(steps: Sequence[Step]) -> list[Row]:
    """Give the rows that a person makes; a step's number chooses what it is about."""
    rows: list[Row] = []
    for kind, number in steps:
        asked = [row for row in rows if row.role == "user"]
        said = [row for row in rows if row.role == "assistant"]
        parent: int | None = None
        if rows and kind == "regenerate":
            rows.append(Row(len(rows) + 1, asked[number % len(asked)].seq, "assistant"))
            continue
        if rows and kind == "edit":
            edited = asked[number % len(asked)]
            parent = edited.parent_seq if edited.parent_seq is not None else edited.seq - 1
        if rows and kind == "follow":
            parent = said[number % len(said)].seq
        rows.append(Row(len(rows) + 1, parent, "user"))
        rows.append(Row(len(rows) + 1, None, "assistant"))
    return rows


def walked(rows: Sequence[Row], leaf: int) -> list[int]:
    """Give the numbers from the first message to `leaf`, one parent after the other."""
    found: list[int] = []
    while leaf > ROOT:
        found.insert(0, leaf)
        row = rows[leaf - 1]
        leaf = row.parent_seq if row.parent_seq is not None else leaf - 1
    return found


def turning(rows: Sequence[Row]) -> list[tuple[int, int]]:
    return [(row.seq, row.parent_seq) for row in reversed(rows) if row.parent_seq is not None]


@given(STEPS)
def test_ranges_are_the_walk_from_parent_to_parent(steps: list[Step]) -> None:
    rows = grown(steps)
    for leaf in range(1, len(rows) + 1):
        found = ranges(turning(rows), leaf)

        assert [seq for first, last in reversed(found) for seq in range(first, last + 1)] == walked(rows, leaf)


@given(STEPS)
def test_a_branch_is_a_conversation(steps: list[Step]) -> None:
    rows = grown(steps)
    for leaf in range(1, len(rows) + 1):
        roles = [rows[seq - 1].role for seq in walked(rows, leaf)]

        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)


def test_a_conversation_that_never_branched_is_one_range() -> None:
    assert ranges([], 7) == [(1, 7)]
    assert ranges([], 0) == [(ROOT, ROOT)], "nothing is on it"


async def grow(database: Database, steps: Sequence[Step]) -> tuple[UUID, list[Row]]:
    """Put the same rows into the database, as runs do."""
    conversation_id, rows = await new_conversation(database), grown(steps)
    for row in rows:
        before = rows[row.seq - 2] if row.seq > 1 else None
        if row.role == "assistant" and row.parent_seq is None:
            continue
        text = f"text {row.seq}" if row.role == "user" else None
        begun = await begin(database, conversation_id, text=text, parent_seq=row.parent_seq)  # pyright: ignore[reportArgumentType] - None is another answer
        await finish(database, begun.run_id, content=f"answer {row.seq}")
        assert before is None or before.seq == row.seq - 1
    return conversation_id, rows


TREES: list[list[Step]] = [
    [],
    [("continue", 0)] * 3,
    [("continue", 0), ("regenerate", 0)],
    [("continue", 0), ("continue", 0), ("edit", 0), ("continue", 0)],
    [
        ("continue", 0),
        ("continue", 0),
        ("regenerate", 0),
        ("continue", 0),
        ("follow", 1),
        ("edit", 2),
        ("regenerate", 1),
    ],
    [("continue", 0), ("edit", 0), ("edit", 0), ("edit", 1), ("follow", 0), ("regenerate", 3), ("follow", 0)],
]


@pytest.mark.parametrize("steps", TREES)
async def test_the_database_gives_the_walk_from_parent_to_parent(database: Database, steps: list[Step]) -> None:
    conversation_id, rows = await grow(database, steps)
    async with database.read() as session:
        for leaf in range(1, len(rows) + 1):
            branch = on_ranges(ranges(await turns_of(session, conversation_id), leaf))
            mine = select(Message.seq).where(Message.conversation_id == conversation_id, branch)
            assert list(await session.scalars(mine.order_by(Message.seq))) == walked(rows, leaf)

            path = walked(rows, leaf)
            given = await list_newest_messages(
                session, user_id="ann", conversation_id=conversation_id, leaf=leaf, max_messages=99, max_chars=9999
            )
            assert [message.seq for message in given] == path
            counted = [await count_before(session, conversation_id=conversation_id, leaf=leaf, seq=seq) for seq in path]
            assert counted == list(range(len(path)))


@pytest.mark.parametrize("steps", TREES)
async def test_the_newest_branch_is_shown_and_the_others_are_kept(database: Database, steps: list[Step]) -> None:
    conversation_id, rows = await grow(database, steps)
    async with database.read() as session:
        shown = await list_messages(session, user_id="ann", conversation_id=conversation_id)
        every = await list_messages(session, user_id="ann", conversation_id=conversation_id, all_branches=True)
        foreign = await list_messages(session, user_id="bob", conversation_id=conversation_id, all_branches=True)

    assert [message.seq for message in shown] == walked(rows, len(rows))
    assert [(message.seq, message.parent_seq, message.role) for message in every] == [
        (row.seq, row.parent_seq, row.role) for row in rows
    ]
    assert foreign == []


async def test_the_question_of_an_answer_is_on_its_own_branch(database: Database) -> None:
    conversation_id, rows = await grow(database, TREES[4])
    async with database.read() as session:
        every = await list_messages(session, user_id="ann", conversation_id=conversation_id, all_branches=True)
        for answer in every:
            asked = await question_of(session, answer)
            users = [seq for seq in walked(rows, answer.seq) if rows[seq - 1].role == "user"]

            assert asked is not None
            assert asked.seq == users[-1]


async def test_old_turns_of_other_branches_do_not_count_against_the_bounds(database: Database) -> None:
    conversation_id, rows = await grow(database, [("continue", 0), *[("regenerate", 0)] * 10, ("continue", 0)])
    async with database.read() as session:
        given = await list_newest_messages(
            session, user_id="ann", conversation_id=conversation_id, leaf=len(rows), max_messages=4, max_chars=99
        )

    assert [message.seq for message in given] == [1, 12, 13, 14]


def test_a_message_that_names_the_one_before_it_begins_no_range() -> None:
    assert ranges([(seq, seq - 1) for seq in range(2001, 2, -2)], 2002) == [(1, 2002)]


async def test_a_conversation_with_any_number_of_turns_aside_is_read_and_gone_on_with(database: Database) -> None:
    conversation_id, turns = await new_conversation(database), 1200
    async with database.write() as session:
        # A question, its answer, and another answer to it, again and again: each begins a range of its own.
        rows = [
            {
                "id": uuid4(),
                "conversation_id": conversation_id,
                "seq": seq,
                "parent_seq": seq - 2 if seq % 3 == 0 else None,
                "role": "user" if seq % 3 == 1 else "assistant",
                "content": str(seq),
                "status": "complete",
                "created_at": NOON,
            }
            for seq in range(1, 3 * turns + 1)
        ]
        await session.execute(insert(Message), rows)

    async with database.read() as session:
        shown = await list_messages(session, user_id="ann", conversation_id=conversation_id)
        sent = await list_newest_messages(
            session, user_id="ann", conversation_id=conversation_id, leaf=3 * turns, max_messages=100, max_chars=9999
        )
        before = await count_before(session, conversation_id=conversation_id, leaf=3 * turns, seq=sent[0].seq)

    assert [message.seq for message in shown] == [seq for seq in range(1, 3 * turns + 1) if seq % 3 != 2]
    assert [message.seq for message in sent] == [message.seq for message in shown][-100:]
    assert before == len(shown) - 100
