import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final

import pytest
import structlog
from click.testing import CliRunner, Result
from sqlalchemy import select, update
from structlog.testing import capture_logs

from app.auth.caller import Caller, Scope
from app.auth.service_tokens import ServiceTokens, digest_of, read_id
from app.cli import main
from app.db.models import ServiceToken
from app.db.session import Database
from app.errors import InvalidInput, NotAuthenticated, NotFound, StorageUnavailable
from app.secret import Secret
from app.tokens import PAUSE, USE_NOTED_EVERY, TokenBook, TokenFacts, create_token, list_tokens, revoke_token

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHAT: Final = frozenset({Scope.CHAT})
TICK: Final = timedelta(microseconds=1)
on_both_databases = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite, except where two at once are the point."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


Command = Callable[..., Result]


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Door:
    """The gateway's way in: what a request's headers make of a stored token."""

    def __init__(self, database: Database) -> None:
        self.clock = Clock()
        self.book = TokenBook(database, self.clock)
        self._tokens = ServiceTokens(self.book.find, self.clock)

    async def enter(self, token: Secret, **headers: str) -> Caller:
        """Send one request, and let what it has caused end."""
        caller = await self.knock(token, **headers)
        await self.book.close()
        return caller

    async def knock(self, token: Secret, **headers: str) -> Caller:
        return await self._tokens.identify({"authorization": f"Bearer {token.reveal()}"} | headers, method="POST")


@pytest.fixture
async def door(database: Database) -> AsyncIterator[Door]:
    opened = Door(database)
    yield opened
    await opened.book.close()


async def create(database: Database, **changes: Any) -> tuple[Secret, TokenFacts]:
    values: dict[str, Any] = {
        "name": "billing",
        "user_id": "service:billing",
        "scopes": CHAT,
        "expires_at": NOON + timedelta(1),
        "now": NOON,
    }
    return await create_token(database, **values | changes)


def notes() -> list[str]:
    """Those that are being written."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("note the use")]


async def only(database: Database) -> TokenFacts:
    (facts,) = await list_tokens(database)
    return facts


@on_both_databases
async def test_a_new_token_lets_its_user_in(database: Database, door: Door) -> None:
    token, facts = await create(database, scopes=frozenset({Scope.SETTINGS, Scope.CHAT}))

    assert facts == await only(database)
    assert facts.id == read_id(token.reveal())
    assert facts.scopes == {Scope.CHAT, Scope.SETTINGS}
    assert await door.enter(token) == Caller(user_id="service:billing", method="service_token", scopes=facts.scopes)


async def test_nothing_that_could_be_sent_is_stored(database: Database) -> None:
    token, _ = await create(database)

    async with database.read() as session:
        row = (await session.execute(select(*ServiceToken.__table__.columns))).one()
    assert digest_of(token.reveal()) in row
    assert token.reveal().split("_")[2] not in repr(row)


@on_both_databases
async def test_tokens_made_at_once_are_all_different_and_good(database: Database, door: Door) -> None:
    made = await asyncio.gather(*(create(database, name=f"n{number}", user_id=f"u{number}") for number in range(20)))

    assert {facts.id for facts in await list_tokens(database)} == {facts.id for _, facts in made}
    assert len(await list_tokens(database)) == 20
    assert [(await door.enter(token)).user_id for token, _ in made] == [f"u{number}" for number in range(20)]


async def test_name_and_user_are_stored_without_blanks_around_them(database: Database) -> None:
    _, facts = await create(database, name=" billing ", user_id="\t7\n")

    assert (facts.name, facts.user_id) == ("billing", "7")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "n" * 101),
        ("name", "two\nlines"),
        ("name", "\x1b[31mred"),
        ("name", "\udcff"),
        ("user_id", " "),
        ("user_id", "u" * 256),
        ("user_id", "a\x00b"),
        ("scopes", frozenset[Scope]()),
        ("scopes", frozenset({Scope.ACT_AS})),
        ("expires_at", NOON),
    ],
)
async def test_what_makes_no_sense_is_refused_without_the_database(field: str, value: object) -> None:
    nowhere = Database.open("sqlite:////no/such/directory/gateway.db")

    with pytest.raises(InvalidInput) as refused:
        await create(nowhere, **{field: value})

    assert list(refused.value.fields) == [field]


async def test_a_token_expires_at_its_moment(database: Database, door: Door) -> None:
    token, facts = await create(database)
    door.clock.now = NOON + timedelta(1) - TICK
    await door.enter(token)
    door.clock.now = NOON + timedelta(1)
    with pytest.raises(NotAuthenticated, match="expired"):
        await door.enter(token)

    states = [replace(facts, revoked_at=revoked).state(door.clock.now) for revoked in (None, NOON)]
    assert states == ["expired", "revoked"]
    assert facts.state(NOON) == "valid"


async def test_a_revoked_token_is_refused_from_the_next_request_on(database: Database, door: Door) -> None:
    token, facts = await create(database)
    other, _ = await create(database, name="other", user_id="other")
    await door.enter(token)

    revoked = await revoke_token(database, facts.id, now=NOON)

    assert revoked.revoked_at == NOON
    with pytest.raises(NotAuthenticated, match="revoked"):
        await door.enter(token)
    assert (await door.enter(other)).user_id == "other"
    assert await revoke_token(database, facts.id, now=NOON + TICK) == revoked
    with pytest.raises(NotFound):
        await revoke_token(database, "unknown0", now=NOON)


async def test_a_scope_of_a_later_version_allows_nothing(database: Database, door: Door) -> None:
    token, _ = await create(database)
    async with database.write() as session:
        await session.execute(update(ServiceToken).values(scopes=["chat", "admin"]))

    assert (await door.enter(token)).scopes == CHAT


async def test_the_last_use_is_noted_once_an_hour(database: Database, door: Door) -> None:
    token, _ = await create(database)
    for now, noted in (
        (NOON, NOON),
        (NOON + USE_NOTED_EVERY, NOON),
        (NOON + USE_NOTED_EVERY + TICK, NOON + USE_NOTED_EVERY + TICK),
    ):
        door.clock.now = now
        await door.enter(token)

        assert (await only(database)).last_used_at == noted


async def test_a_token_that_is_refused_is_not_used(database: Database, door: Door) -> None:
    token, facts = await create(database)
    await revoke_token(database, facts.id, now=NOON)

    with pytest.raises(NotAuthenticated):
        await door.enter(token)

    assert (await only(database)).last_used_at is None


@on_both_databases
async def test_many_first_uses_at_once_are_one_note(database: Database, door: Door) -> None:
    token, _ = await create(database)

    await asyncio.gather(*(door.knock(token) for _ in range(30)))

    assert len(notes()) <= 1
    await door.book.close()
    assert notes() == []
    assert (await only(database)).last_used_at == NOON


@pytest.fixture
def intruder(sqlite_url: str) -> Iterator[sqlite3.Connection]:
    """Another program that can keep the gateway from writing."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        yield connection


async def test_a_use_that_cannot_be_noted_fails_nobody(sqlite_url: str, intruder: sqlite3.Connection) -> None:
    database = Database.open(sqlite_url)
    door = Door(database)
    token, facts = await create(database)
    intruder.execute("CREATE TRIGGER full BEFORE UPDATE ON service_tokens BEGIN SELECT RAISE(FAIL, 'full'); END")

    with capture_logs() as lines:
        assert (await door.enter(token)).user_id == "service:billing"
        await door.enter(token)
    told = [line for line in lines if line["event"] == "token_use_not_noted"]
    assert told == [{"event": "token_use_not_noted", "log_level": "warning", "token_id": facts.id}]

    intruder.execute("DROP TRIGGER full")
    await door.enter(token)
    assert (await only(database)).last_used_at is None
    door.clock.now = NOON + PAUSE
    await door.enter(token)
    assert (await only(database)).last_used_at == NOON + PAUSE
    await database.close()


async def test_a_locked_file_delays_nobody(sqlite_url: str, intruder: sqlite3.Connection) -> None:
    database = Database.open(sqlite_url)
    door = Door(database)
    token, _ = await create(database, expires_at=None)
    intruder.execute("BEGIN IMMEDIATE")

    async with asyncio.timeout(2):  # the lock would be waited for 5 s
        callers = [await door.knock(token) for _ in range(3)]
    assert {caller.user_id for caller in callers} == {"service:billing"}
    assert len(notes()) == 1

    intruder.execute("COMMIT")
    await door.book.close()
    assert (await only(database)).last_used_at == NOON
    await door.knock(token)
    assert notes() == []
    await database.close()


async def test_closing_gives_up_a_note_that_hangs(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    door = Door(database)
    token, _ = await create(database)

    async with database.write() as session:
        await session.execute(update(ServiceToken).values(name="locked"))
        await door.knock(token)
        async with asyncio.timeout(5):
            await door.book.close()
        assert notes() == []

    assert (await only(database)).last_used_at is None
    await database.close()


async def test_a_database_that_is_gone_is_no_unknown_token(sqlite_url: str, intruder: sqlite3.Connection) -> None:
    database = Database.open(sqlite_url)
    token, _ = await create(database)
    intruder.execute("DROP TABLE service_tokens")

    with pytest.raises(StorageUnavailable):
        await Door(database).enter(token)
    await database.close()


@pytest.fixture
def command(sqlite_url: str) -> Command:
    """Run `llm-gateway tokens` on a database of its own."""
    # Importing reads files, which must not happen in the loop that the command starts.
    import_module("app.serve")

    def run(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(main, ["tokens", *arguments], env={"GATEWAY_DATABASE_URL": sqlite_url} | environ)

    return run


def test_create_prints_the_token_once_and_nothing_else_on_stdout(command: Command) -> None:
    made = command("create", "billing")
    assert made.exit_code == 0, made.output
    token = made.stdout.removesuffix("\n")
    assert read_id(token) in made.stderr
    assert token not in made.stderr
    assert "Authorization: Bearer" in made.stderr
    assert "X-On-Behalf-Of" not in made.stderr

    heading, row = command("list").stdout.splitlines()
    assert heading.split() == ["ID", "NAME", "USER", "SCOPES", "CREATED", "EXPIRES", "LAST", "USED", "STATE"]
    token_id, name, user, scopes, created, expires, used, state = row.split()
    assert (token_id, name, user, scopes) == (read_id(token), "billing", "service:billing", "chat")
    assert (used, state) == ("-", "valid")
    assert datetime.fromisoformat(expires) - datetime.fromisoformat(created) == timedelta(365)


def test_create_takes_scopes_a_user_and_a_term(command: Command) -> None:
    made = command("create", "voyage", "--scope", "chat", "--scope", "act_as", "--user", "7", "--never-expires")
    command("create", "short", "--scope", "settings", "--days", "1")

    assert "X-On-Behalf-Of" in made.stderr
    _, voyage, short = command("list").stdout.splitlines()
    assert voyage.split()[2:4] == ["7", "act_as,chat"]
    assert voyage.split()[5] == "-"
    assert short.split()[2:4] == ["service:short", "settings"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create",), "Missing argument 'NAME'"),
        (("create", ""), "1 to 100 printable"),
        (("create", "n" * 101), "1 to 100 printable"),
        (("create", "two\nlines"), "1 to 100 printable"),
        (("create", "n", "--user", ""), "1 to 255 printable"),
        (("create", "n", "--scope", "admin"), "'chat', 'settings', 'act_as'"),
        (("create", "n", "--scope", "act_as"), "act_as alone"),
        (("create", "n", "--days", "0"), "--days"),
        (("create", "n", "--days", "3651"), "--days"),
        (("create", "n", "--days", "9", "--never-expires"), "exclude each other"),
        (("revoke",), "Missing argument 'ID'"),
        (("revoke", "billing"), "tokens list"),
    ],
)
def test_mistakes_are_named_and_change_nothing(command: Command, arguments: tuple[str, ...], told: str) -> None:
    answer = command(*arguments)

    assert (answer.exit_code, answer.stdout) == (2, "")
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(command("list").stdout.splitlines()) == 1


def test_revoke_ends_a_token_and_may_be_repeated(command: Command) -> None:
    token = command("create", "billing").stdout.strip()
    token_id = read_id(token)

    pasted = command("revoke", token)
    assert pasted.exit_code == 2
    assert token not in pasted.stderr
    for _ in range(2):
        answer = command("revoke", token_id)
        assert (answer.exit_code, answer.stdout) == (0, f"The token {token_id} (billing) is revoked.\n")
    assert command("list").stdout.splitlines()[1].split()[-1] == "revoked"
    unknown = command("revoke", "00000000")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "no service token" in unknown.stderr


async def test_a_token_of_the_command_line_opens_the_door(sqlite_url: str, command: Command) -> None:
    made = await asyncio.to_thread(command, "create", "voyage", "--scope", "chat", "--scope", "act_as")
    database = Database.open(sqlite_url)

    caller = await Door(database).enter(Secret(made.stdout.strip()), **{"x-on-behalf-of": "42"})

    assert (caller.user_id, caller.scopes) == ("42", CHAT)
    await database.close()
