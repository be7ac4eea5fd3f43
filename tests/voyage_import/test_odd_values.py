"""What one database holds and another cannot take: it costs its own row, at most."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.db.imports import OVERTAKEN, UNSTORABLE
from app.db.migrate import upgrade
from app.db.session import Database
from app.db.voyage_tables import VoyageMessage
from app.voyage_import import Kind, Outcome
from app.voyage_import.decision import Decision
from app.voyage_import.message import read_message
from tests.voyage_import.target import counts, dump, on_both_databases, reasons, run
from tests.voyage_import.voyage import NOON, Voyage, call

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WITHOUT = "imported, without its tool calls, which are no list of objects"


def message(role: str = "assistant", tool_calls: str | None = None) -> VoyageMessage:
    return VoyageMessage(
        id=uuid4(),
        role=role,
        content="text",
        tool_calls=tool_calls,
        tool_call_id="c1",
        name="tool",
        created_at=NOON,
    )


@given(st.none() | JSON.map(json.dumps) | st.text())
def test_a_message_is_kept_whatever_its_tool_calls_are(tool_calls: str | None) -> None:
    row, remark = read_message(message(tool_calls=tool_calls))

    assert row is not None
    assert row["content"] == "text"
    if remark:
        assert row["tool_calls"] is None
    elif row["tool_calls"] is not None:
        assert all(isinstance(item, dict) for item in row["tool_calls"])
        orjson.dumps(row["tool_calls"])


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53), max_size=3), max_size=3))
def test_a_list_of_objects_stays_as_it_is(tool_calls: list[dict[str, Any]]) -> None:
    row, remark = read_message(message(tool_calls=json.dumps(tool_calls)))

    assert row is not None
    assert (row["tool_calls"], remark) == (tool_calls, "")


@given(st.text())
def test_only_the_four_roles_are_readable(role: str) -> None:
    row, remark = read_message(message(role))

    assert (row is not None) == (role in {"user", "assistant", "system", "tool"})
    assert bool(remark) == (row is None)


@on_both_databases
async def test_extremes_of_voyages_columns_arrive(voyage: Voyage, database: Database, database_url: str) -> None:
    user = await voyage.user(2**63 - 1)
    held = await voyage.conversation(user, "t" * 255)
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    await voyage.message(held, "assistant", "deep", tool_calls=[call() | {"deep": deep}], at=1)
    await voyage.message(held, "assistant", "huge", tool_calls=[call() | {"huge": 2**80}], at=2)
    huge = await voyage.message(held, "assistant", "huger", tool_calls=[call()], at=3)
    await voyage.execute("""UPDATE chat_chatmessage SET tool_calls = '[{"n": 1e400}]' WHERE id = $1""", huge)
    await voyage.message(held, "tool", "x", tool_call_id="c" * 255, name="n" * 255, at=4)
    await voyage.message(held, "user", "🗺️" * 40_000, at=5)
    for moment in ("infinity", "-infinity", "4000-01-01 BC", "20000-01-01"):
        odd = await voyage.conversation(user)
        await voyage.execute(f"UPDATE chat_chatconversation SET updated_at = '{moment}' WHERE id = $1", odd)  # noqa: S608 - a constant
        await voyage.execute(
            f"UPDATE chat_chatmessage SET created_at = '{moment}' WHERE id = $1",  # noqa: S608 - see above
            await voyage.message(odd, "user"),
        )

    report = await run(voyage, database)

    assert counts(report, Kind.CONVERSATIONS) == (5, 0, 0, 0)
    assert counts(report, Kind.MESSAGES) == (9, 0, 0, 0)
    assert reasons(report, Kind.MESSAGES)[WITHOUT] >= 2
    arrived = await dump(database_url)
    assert {row["user_id"] for row in arrived["conversations"]} == {str(2**63 - 1)}
    assert ("🗺️" * 40_000) in [row["content"] for row in arrived["messages"]]
    again = await run(voyage, database)
    assert (counts(again, Kind.CONVERSATIONS), counts(again, Kind.MESSAGES)) == ((0, 5, 0, 0), (0, 9, 0, 0))


async def test_what_a_latin_database_cannot_hold_is_reported_and_the_rest_is_stored(
    voyage: Voyage, postgres_sockets: Path
) -> None:
    name = f"latin_{uuid4().hex}"
    url = f"postgresql://postgres@/{name}?host={quote(str(postgres_sockets))}"
    await voyage.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    await asyncio.to_thread(upgrade, url)
    user = await voyage.user(1)
    held, lost = await voyage.conversation(user, "São Tomé"), await voyage.conversation(user, "東京")
    for number in range(9):
        await voyage.message(held, "user", "東京" if number % 4 == 1 else f"São Tomé {number}", at=number)
    await voyage.message(lost, "user", "Plain")
    await voyage.settings(user, "東京", None)
    await voyage.prompt("東京")
    database = Database.open(url)

    report = await run(voyage, database)
    arrived = await dump(url)
    await database.close()

    told = [f"São Tomé {number}" for number in range(9) if number % 4 != 1]
    rows = sorted(arrived["messages"], key=lambda row: row["seq"])
    assert [row["content"] for row in rows] == told
    assert counts(report, Kind.CONVERSATIONS) == (1, 0, 1, 0)
    assert counts(report, Kind.MESSAGES) == (7, 0, 3, 0)
    for kind, lost_rows in ((Kind.MESSAGES, 3), (Kind.SETTINGS, 1), (Kind.PROMPT, 1)):
        assert reasons(report, kind) == {f"unreadable, {UNSTORABLE}": lost_rows}
    assert {mark["source_id"] for mark in arrived["import_marks"]} == {str(held)}


def test_a_row_that_the_gateway_has_stored_meanwhile_is_skipped_and_counted_once() -> None:
    decision = Decision(stored_as={"a": "b"})
    for source_id in ("a", "b", "c"):
        decision.say(Kind.KEYS, Outcome.UNCHANGED if source_id == "b" else Outcome.IMPORTED, source_id)

    corrected = decision.corrected({"b": OVERTAKEN})

    assert [(verdict.outcome, verdict.reason) for verdict in corrected] == [
        (Outcome.SKIPPED, OVERTAKEN),
        (Outcome.UNCHANGED, ""),
        (Outcome.IMPORTED, ""),
    ]
