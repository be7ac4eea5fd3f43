"""Voyage and the gateway both go on after an import: nothing is lost, and what was done here stays."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.db.ai_settings import delete_ai_settings, put_ai_settings
from app.db.conversations import create_conversation, delete_conversation, get_conversation, rename_conversation
from app.db.messages import list_messages
from app.db.models import Message
from app.db.prompts import MAX_CHARS, delete_prompt, find_prompt, put_prompt
from app.db.runs import begin_run
from app.db.session import Database
from app.providers.model import ToolCall
from app.runs.history import to_chat_messages
from app.voyage_import import Kind, Limits
from tests.db.rows import Begun, begin, finish
from tests.voyage_import.target import counts, dump, on_both_databases, reasons, run
from tests.voyage_import.voyage import NOON, Voyage, at, call, connect

USER = 7
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def held(voyage: Voyage) -> UUID:
    """A conversation of Voyage's with one question and its answer."""
    conversation = await voyage.conversation(await voyage.user(USER), "Lisbon")
    await voyage.message(conversation, "user", "Where to?", at=1)
    await voyage.message(conversation, "assistant", "To Lisbon.", at=2)
    await voyage.touch(conversation, 2)
    return conversation


async def stored(database: Database, conversation: UUID, user_id: str = str(USER)) -> list[Message]:
    async with database.read() as session:
        return list(await list_messages(session, user_id=user_id, conversation_id=conversation))


async def texts(database: Database, conversation: UUID) -> list[str]:
    return [message.content for message in await stored(database, conversation)]


async def rename(database: Database, conversation: UUID, title: str, minutes: float) -> None:
    async with database.write() as session:
        await rename_conversation(
            session, user_id=str(USER), conversation_id=conversation, title=title, now=at(minutes)
        )


async def title(database: Database, conversation: UUID) -> str:
    async with database.read() as session:
        return (await get_conversation(session, user_id=str(USER), conversation_id=conversation)).title


@on_both_databases
async def test_an_imported_tool_conversation_is_told_to_the_model_and_goes_on_here(
    voyage: Voyage, database: Database
) -> None:
    conversation = await voyage.conversation(await voyage.user(USER))
    first, second = call("c1", "get_weather", '{"city": "Lisbon"}'), call("c2", "list_trips")
    # All of one moment, and the rows in the wrong order: only their roles tell how it was.
    await voyage.message(conversation, "assistant", "Sunny.", id_=UUID(int=1))
    await voyage.message(conversation, "tool", '{"trips": []}', tool_call_id="c2", name="list_trips", id_=UUID(int=2))
    await voyage.message(conversation, "tool", '{"sun": 1}', tool_call_id="c1", name="get_weather", id_=UUID(int=3))
    await voyage.message(conversation, "assistant", "", tool_calls=[first, second], id_=UUID(int=4))
    await voyage.message(conversation, "user", "Weather?", id_=UUID(int=5))
    await run(voyage, database)

    begun = await begin(database, conversation, user_id=str(USER), text="And tomorrow?", now=at(5))
    await finish(database, begun.run_id, content="Rain.", now=at(6))

    told = to_chat_messages(await stored(database, conversation), "Be brief.")
    assert [(message.role, message.content, message.tool_call_id) for message in told[1:]] == [
        ("user", "Weather?", None),
        ("assistant", "", None),
        ("tool", '{"sun": 1}', "c1"),
        ("tool", '{"trips": []}', "c2"),
        ("assistant", "Sunny.", None),
        ("user", "And tomorrow?", None),
        ("assistant", "Rain.", None),
    ]
    assert told[2].tool_calls == (
        ToolCall(id="c1", name="get_weather", arguments='{"city": "Lisbon"}'),
        ToolCall(id="c2", name="list_trips", arguments="{}"),
    )


async def test_what_was_said_in_voyage_since_is_appended(voyage: Voyage, database: Database, held: UUID) -> None:
    await run(voyage, database)
    await voyage.message(held, "user", "And then?", at=3)
    await voyage.message(held, "assistant", "", at=4)
    await voyage.touch(held, 4)

    report = await run(voyage, database)

    assert await texts(database, held) == ["Where to?", "To Lisbon.", "And then?", ""]
    assert [message.seq for message in await stored(database, held)] == [1, 2, 3, 4]
    assert counts(report, Kind.CONVERSATIONS) == (1, 0, 0, 0)
    assert counts(report, Kind.MESSAGES) == (2, 2, 0, 0)
    assert reasons(report, Kind.CONVERSATIONS) == {}
    assert counts(await run(voyage, database), Kind.CONVERSATIONS) == (0, 1, 0, 0)


async def test_a_message_that_voyage_stored_after_its_conversation_is_not_missed(
    voyage: Voyage, database: Database, held: UUID
) -> None:
    await run(voyage, database)
    await voyage.message(held, "assistant", "Or to Porto.", at=3)  # and `updated_at` stays

    report = await run(voyage, database)

    assert (await texts(database, held))[-1] == "Or to Porto."
    assert counts(report, Kind.MESSAGES) == (1, 2, 0, 0)
    assert counts(await run(voyage, database), Kind.MESSAGES) == (0, 3, 0, 0)


@on_both_databases
@pytest.mark.parametrize("limits", [Limits(), Limits(rows=1, messages=2, message_bytes=1)])
async def test_a_conversation_that_went_on_in_both_has_everything_and_is_counted(
    voyage: Voyage, database: Database, held: UUID, limits: Limits
) -> None:
    await run(voyage, database)
    begun = await begin(database, held, user_id=str(USER), text="Here?", now=at(10))
    await finish(database, begun.run_id, content="Here.", now=at(11))
    for number in range(5):
        await voyage.message(held, "user", f"There {number}", at=3 + number)
    await voyage.touch(held, 8)

    report = await run(voyage, database, limits=limits)

    there = [f"There {number}" for number in range(5)]
    assert await texts(database, held) == ["Where to?", "To Lisbon.", "Here?", "Here.", *there]
    assert [message.seq for message in await stored(database, held)] == list(range(1, 10))
    both = {"imported, continued here too, so Voyage's new messages follow those": 1}
    assert reasons(report, Kind.CONVERSATIONS) == both
    assert counts(report, Kind.CONVERSATIONS) == (1, 0, 0, 0)
    assert counts(report, Kind.MESSAGES) == (5, 2, 0, 0)
    again = await run(voyage, database, limits=limits)
    assert (counts(again, Kind.CONVERSATIONS), counts(again, Kind.MESSAGES)) == ((0, 1, 0, 0), (0, 7, 0, 0))
    next_one = await begin(database, held, user_id=str(USER), text="On.", now=at(12))
    assert (await stored(database, held))[-2].id == next_one.user_message_id


async def test_a_conversation_whose_last_messages_are_unreadable_is_imported_all_the_same(
    voyage: Voyage, database: Database, held: UUID
) -> None:
    await voyage.message(held, "robot", "Beep", at=9)
    piecewise = Limits(rows=1, messages=2)

    first = await run(voyage, database, limits=piecewise)
    again = await run(voyage, database, limits=piecewise)
    await finish(database, (await begin(database, held, user_id=str(USER), now=at(10))).run_id, now=at(11))
    await voyage.message(held, "user", "More", at=3)
    await voyage.message(held, "user", "And more", at=4)
    await voyage.touch(held, 9)
    both = await run(voyage, database, limits=piecewise)

    found = [counts(report, Kind.CONVERSATIONS) for report in (first, again, both)]
    assert found == [(1, 0, 0, 0), (0, 1, 0, 0), (1, 0, 0, 0)]
    assert list(reasons(both, Kind.CONVERSATIONS).values()) == [1]


async def test_a_title_given_here_stays_and_a_blank_one_is_filled(
    voyage: Voyage, database: Database, held: UUID
) -> None:
    empty, blanked = await voyage.conversation(USER), await voyage.conversation(USER, "Old")
    await run(voyage, database)
    await rename(database, held, "Mine", 3)
    await rename(database, blanked, "", 3)
    for number, new in enumerate(("Theirs", "Later")):
        await voyage.execute("UPDATE chat_chatconversation SET title = $1, updated_at = $2", new, at(5 + number))
        await run(voyage, database)

        assert (await title(database, held), await title(database, empty)) == ("Mine", new)
        assert await title(database, blanked) == "Theirs"


async def test_what_was_deleted_here_does_not_come_back(voyage: Voyage, database: Database, held: UUID) -> None:
    settings = await voyage.settings(USER, "openai", None)
    await voyage.prompt("Plan trips.")
    await run(voyage, database)
    async with database.write() as session:
        await delete_conversation(session, user_id=str(USER), conversation_id=held)
        await delete_ai_settings(session, user_id=str(USER), settings_id=settings)
        await delete_prompt(session)
    await voyage.message(held, "user", "And then?", at=3)
    for table in ("chat_chatconversation", "chat_chatsystemprompt", "integrations_useraisettings"):
        await voyage.execute(f"UPDATE {table} SET updated_at = $1", at(3))  # noqa: S608 - our own names

    report = await run(voyage, database)

    for kind, rows in ((Kind.CONVERSATIONS, 1), (Kind.MESSAGES, 3), (Kind.SETTINGS, 1), (Kind.PROMPT, 1)):
        assert counts(report, kind) == (0, 0, 0, rows)
        assert reasons(report, kind) == {"skipped, deleted here": rows}


@on_both_databases
async def test_ids_of_other_users_rows_are_left_to_them(
    voyage: Voyage, database: Database, database_url: str, held: UUID
) -> None:
    settings = await voyage.settings(USER, "openai", None)
    other = await voyage.conversation(USER, "Other")
    message = await voyage.message(other, "user", "Twice?", at=1)
    async with database.write() as session:
        await create_conversation(session, user_id="ann", conversation_id=held, title="Hers", now=NOON)
        await create_conversation(session, user_id="ann", conversation_id=(hers := uuid4()), title="", now=NOON)
        await put_ai_settings(session, user_id="ann", new_id=settings, change={}, now=NOON)
        row = Message(
            id=message, conversation_id=hers, seq=1, role="user", content="", status="complete", created_at=NOON
        )
        session.add(row)
    before = await dump(database_url)

    report = await run(voyage, database)

    assert reasons(report, Kind.CONVERSATIONS) == {"skipped, its id belongs to another user here": 1}
    assert reasons(report, Kind.MESSAGES) == {
        "skipped, its conversation's id belongs to another user here": 2,
        "skipped, its id belongs to another message here": 1,
    }
    assert reasons(report, Kind.SETTINGS) == {"skipped, its id belongs to another user here": 1}
    assert await title(database, other) == "Other"
    after = await dump(database_url)
    assert all(row in after[table] for table in before for row in before[table])


@on_both_databases
async def test_settings_and_prompt_that_are_newer_here_win_and_older_ones_do_not(
    voyage: Voyage, database: Database
) -> None:
    for user, changed in ((1, 10), (2, 30)):
        await voyage.settings(await voyage.user(user), " groq ", " small ", changed=changed)
    await voyage.prompt("Theirs", changed=10)
    async with database.write() as session:
        for user in ("1", "2"):
            await put_ai_settings(
                session, user_id=user, new_id=uuid4(), change={"preferred_provider": "openai"}, now=at(20)
            )
        await put_prompt(session, text="Ours", now=at(20))

    report = await run(voyage, database)

    async with database.read() as session:
        assert await find_prompt(session) == "Ours"
    assert reasons(report, Kind.SETTINGS) == reasons(report, Kind.PROMPT) == {"skipped, newer here": 1}
    assert counts(report, Kind.SETTINGS) == (1, 0, 0, 1)
    await voyage.execute("UPDATE chat_chatsystemprompt SET prompt_text = 'Theirs again', updated_at = $1", at(40))
    again = await run(voyage, database)
    async with database.read() as session:
        assert await find_prompt(session) == "Theirs again"
    assert (counts(again, Kind.PROMPT), counts(again, Kind.SETTINGS)) == ((1, 0, 0, 0), (0, 1, 0, 1))


async def test_a_blank_prompt_and_one_that_voyage_does_not_use_are_left_out(voyage: Voyage, database: Database) -> None:
    await voyage.prompt(" \n")
    await voyage.prompt("Not in use", id_=2)

    report = await run(voyage, database)

    assert counts(report, Kind.PROMPT) == (0, 0, 0, 2)
    assert len(reasons(report, Kind.PROMPT)) == 2
    async with database.read() as session:
        assert await find_prompt(session) is None


async def test_a_prompt_that_would_be_cut_is_left_out(voyage: Voyage, database: Database) -> None:
    await voyage.prompt("x" * (MAX_CHARS + 1), changed=1)
    too_long = await run(voyage, database)
    async with database.read() as session:
        assert await find_prompt(session) is None

    await voyage.execute("UPDATE chat_chatsystemprompt SET prompt_text = left(prompt_text, -1), updated_at = $1", at(2))
    report = await run(voyage, database)

    assert reasons(too_long, Kind.PROMPT) == {"skipped, longer than 50000 characters": 1}
    assert counts(report, Kind.PROMPT) == (1, 0, 0, 0)


async def test_what_a_user_writes_while_the_import_is_about_to_is_before_it(
    voyage: Voyage, postgres_url: str, held: UUID
) -> None:
    database = Database.open(postgres_url)
    await run(voyage, database)
    await voyage.message(held, "user", "There", at=3)
    watch = await connect(postgres_url)

    async with asyncio.timeout(30), database.write() as session:
        await begin_run(session, Begun(held).row(user_id=str(USER), text="Here"), now=at(4))
        importing = asyncio.create_task(run(voyage, database))
        while not await watch.fetchval(WAITING):  # noqa: ASYNC110 - a lock sets no event
            await asyncio.sleep(0.001)
    report = await importing
    found = [(message.seq, message.content) for message in await stored(database, held)]
    await watch.close()
    await database.close()

    assert found == [(1, "Where to?"), (2, "To Lisbon."), (3, "Here"), (4, ""), (5, "There")]
    assert counts(report, Kind.MESSAGES) == (1, 2, 0, 0)


async def test_a_prompt_set_here_while_the_import_is_about_to_replace_it_stays(
    voyage: Voyage, postgres_url: str
) -> None:
    database = Database.open(postgres_url)
    await voyage.prompt("Theirs")
    await run(voyage, database)
    await voyage.execute("UPDATE chat_chatsystemprompt SET prompt_text = 'Theirs again', updated_at = $1", at(3))
    watch = await connect(postgres_url)

    async with asyncio.timeout(30), database.write() as session:
        await put_prompt(session, text="Ours", now=at(4))
        importing = asyncio.create_task(run(voyage, database))
        while not await watch.fetchval(WAITING):  # noqa: ASYNC110 - a lock sets no event
            await asyncio.sleep(0.001)
    report = await importing
    async with database.read() as session:
        assert await find_prompt(session) == "Ours"
    await watch.close()
    await database.close()

    assert reasons(report, Kind.PROMPT) == {"skipped, newer here": 1}
