import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from app.db.session import Database
from tests.voyage_import.command import environ, invoke
from tests.voyage_import.generated import Generator
from tests.voyage_import.target import dump, on_both_databases, run, told
from tests.voyage_import.voyage import DDL, Voyage, connect

PASSWORD = "hunter2-of-the-operator"


def one_line(text: str) -> bool:
    return text.endswith("\n") and text.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        f"mysql://voyage:{PASSWORD}@127.0.0.1/voyage",
        f"sqlite:///{PASSWORD}",
        f"postgresql://voyage:{PASSWORD}@127.0.0.1:port/voyage",
        f"postgresql://voyage:{PASSWORD}@127.0.0.1",
        f"postgresql://voyage:half@/{PASSWORD}@127.0.0.1?x=1",
        f"postgresql://voyage:{PASSWORD}@/voyage?host=a,b&port=1",
        f"postgresql://voyage:{PASSWORD}@127.0.0.1/voyage?sslmode={PASSWORD}",
        f"postgresql://voyage:{PASSWORD}@a..b/voyage",
        f"postgresql://voyage:{PASSWORD}@127.0.0.1:99999/voyage",
        "postgresql://",
    ],
)
async def test_a_url_that_cannot_be_right_is_one_line_and_78(sqlite_url: str, url: str) -> None:
    for given in (("--from", url), ()):
        answer = await invoke(*given, GATEWAY_DATABASE_URL=sqlite_url, VOYAGE_DATABASE_URL=url)

        assert answer.exit_code == 78, answer.output
        assert one_line(answer.stderr)
        assert "--from" in answer.stderr
        assert PASSWORD not in answer.output
        assert "127.0.0.1" not in answer.output


async def test_an_option_that_is_not_taken_is_named_unless_it_may_be_a_secret(sqlite_url: str) -> None:
    url = f"postgresql://voyage:{PASSWORD}@127.0.0.1/voyage?{{}}=1"
    named, hidden = [
        await invoke("--from", url.format(name), GATEWAY_DATABASE_URL=sqlite_url)
        for name in ("sslrootcert", "Tr0ub4dor")
    ]

    for answer in (named, hidden):
        assert answer.exit_code == 78
        assert one_line(answer.stderr)
        assert "--from (VOYAGE_DATABASE_URL): unknown option" in answer.stderr
        assert "sslmode" in answer.stderr
        assert PASSWORD not in answer.output
    assert "'sslrootcert'" in named.stderr
    assert "Tr0ub4dor" not in hidden.stderr


async def test_no_url_at_all_is_a_mistake_that_names_option_and_variable(sqlite_url: str) -> None:
    answer = await invoke(GATEWAY_DATABASE_URL=sqlite_url)

    assert answer.exit_code == 2
    assert "--from" in answer.stderr
    assert "VOYAGE_DATABASE_URL" in answer.stderr


@asynccontextmanager
async def stranger(says: bytes) -> AsyncGenerator[int]:
    """A server that is no PostgreSQL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(says)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"N", b"S"])
async def test_a_server_that_is_none_is_one_line_and_1(sqlite_url: str, says: bytes) -> None:
    async with stranger(says) as port:
        url = f"postgresql://voyage:{PASSWORD}@127.0.0.1:{port}/voyage"
        answer = await invoke("--from", url, GATEWAY_DATABASE_URL=sqlite_url)
    refused = await invoke("--from", url, GATEWAY_DATABASE_URL=sqlite_url)

    for failed in (answer, refused):
        assert failed.exit_code == 1, failed.output
        assert one_line(failed.stderr), failed.stderr
        assert "--from" in failed.stderr
        assert PASSWORD not in failed.output
    assert "refuses the connection" in refused.stderr


async def test_a_wrong_password_a_missing_database_and_a_user_without_rights_are_named(
    voyage: Voyage, sqlite_url: str, postgres_sockets: Path
) -> None:
    role, sockets = f"role_{uuid4().hex}", quote(str(postgres_sockets))
    await voyage.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'right'")
    rules = Path(await voyage.connection.fetchval("SHOW hba_file"))
    others = await asyncio.to_thread(rules.read_text, encoding="utf-8")
    await asyncio.to_thread(rules.write_text, f"local all {role} scram-sha-256\n{others}", encoding="utf-8")
    await voyage.execute("SELECT pg_reload_conf()")
    url = f"postgresql://{role}:{{}}@/{{}}?host={sockets}"

    answers = [
        await invoke("--from", url.format(password, name), GATEWAY_DATABASE_URL=sqlite_url)
        for password, name in ((PASSWORD, "voyage"), ("right", "nowhere"), ("right", "voyage"))
    ]

    for answer, word in zip(answers, ("password", "no database of this name", "may not read"), strict=True):
        assert answer.exit_code == 78
        assert one_line(answer.stderr), answer.stderr
        assert "--from" in answer.stderr
        assert word in answer.stderr
        assert PASSWORD not in answer.output
        assert role not in answer.output


async def test_a_database_that_is_not_voyages_is_named_and_one_that_is_older_gives_what_it_has(
    voyage: Voyage, postgres_url: str, sqlite_url: str, postgres_sockets: Path
) -> None:
    wrong = await invoke("--from", postgres_url, GATEWAY_DATABASE_URL=sqlite_url)
    assert wrong.exit_code == 78
    assert "none of Voyage's tables" in wrong.stderr

    name = f"older_{uuid4().hex}"
    await voyage.execute(f"CREATE DATABASE {name}")
    older = Voyage(f"postgresql://postgres@/{name}?host={quote(str(postgres_sockets))}", None, voyage.fernet_key)
    older.connection = await connect(older.url)
    await older.execute(DDL)
    await older.execute("DROP TABLE integrations_useraisettings; ALTER TABLE chat_chatmessage DROP COLUMN tool_calls")
    await older.user(1)
    await older.prompt("Plan trips.")
    answer = await invoke(**environ(older, sqlite_url))
    await older.connection.close()

    assert answer.exit_code == 1
    assert one_line(answer.stderr)
    assert answer.stderr.endswith(" known here: conversations, messages, AI settings.\n")
    assert answer.stdout.splitlines() == [
        "conversations: skipped, this Voyage has no column tool_calls in chat_chatmessage",
        "messages: skipped, this Voyage has no column tool_calls in chat_chatmessage",
        "provider keys: 0 imported, 0 unchanged, 0 unreadable, 0 skipped",
        "AI settings: skipped, this Voyage has no table integrations_useraisettings",
        "system prompt: 1 imported, 0 unchanged, 0 unreadable, 0 skipped",
    ]


async def test_a_target_without_tables_or_of_other_master_keys_is_named(
    voyage: Voyage, sqlite_url: str, tmp_path: Path
) -> None:
    bare = environ(voyage, f"sqlite:///{tmp_path}/bare.db")
    answer = await invoke(**bare)
    assert (answer.exit_code, "llm-gateway migrate" in answer.stderr) == (78, True)

    gone = await invoke(**environ(voyage, f"sqlite:///{tmp_path}/no/such/place.db"))
    assert (gone.exit_code, "GATEWAY_DATABASE_URL" in gone.stderr) == (1, True)

    keys = [f"k1:{base64.b64encode(hashlib.sha256(seed).digest()).decode()}" for seed in (b"one", b"two")]
    before = await dump(sqlite_url)
    dry = await invoke("--dry-run", **environ(voyage, sqlite_url), GATEWAY_CREDENTIAL_KEYS=keys[0])
    assert (dry.exit_code, await dump(sqlite_url)) == (0, before)
    assert (await invoke(**environ(voyage, sqlite_url), GATEWAY_CREDENTIAL_KEYS=keys[0])).exit_code == 0
    for arguments in (("--dry-run",), ()):
        other = await invoke(*arguments, **environ(voyage, sqlite_url), GATEWAY_CREDENTIAL_KEYS=keys[1])
        assert (other.exit_code, "k1" in other.stderr) == (78, True)


async def test_a_key_is_found_nowhere_but_sealed(voyage: Voyage, sqlite_url: str, tmp_path: Path) -> None:
    key = "Plant/ed+9f8e=7d6c!5b4a-" + uuid4().hex
    await voyage.key(await voyage.user(1), "openai", key)
    await voyage.key(1, "groq", key, token=key)  # never encrypted
    await voyage.key(1, "mistral", f"{key} {key}")
    held = await voyage.conversation(1, "My title")
    await voyage.message(held, "user", "My question")
    await voyage.message(held, "robot", "My answer")

    dry = await invoke("--dry-run", **environ(voyage, sqlite_url), GATEWAY_LOG_LEVEL="DEBUG")
    answer = await invoke(**environ(voyage, sqlite_url), GATEWAY_LOG_LEVEL="DEBUG")

    assert dry.exit_code == answer.exit_code == 0
    assert dry.stdout == answer.stdout
    assert "nothing was written" in dry.stderr
    assert "provider keys: 1 imported, 0 unchanged, 2 unreadable, 0 skipped" in answer.stdout
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())  # noqa: ASYNC240 - a test's files
    assert len(files) > 10_000
    for form in (
        key,
        quote(key, safe=""),
        base64.b64encode(key.encode()).decode().rstrip("="),
        voyage.fernet_key.decode(),
    ):
        assert form not in dry.output + answer.output
        assert form.encode() not in files
    for said in ("My title", "My question", "My answer", "robot"):
        assert said not in dry.output + answer.output


@on_both_databases
async def test_two_imports_at_once_store_everything_once(voyage: Voyage, database_url: str) -> None:
    generator = Generator(3, bad_share=0.1)
    generator.make(users=9, messages=200, keys=30)
    await generator.fill(voyage)

    databases = [Database.open(database_url) for _ in range(2)]
    reports = await asyncio.gather(*(run(voyage, each) for each in databases))
    for each in databases:
        await each.close()

    for kind, expected in generator.expected.counts.items():
        imported = [report.counts(kind)["imported"] for report in reports]
        assert sum(imported) == expected["imported"]
    assert told(await dump(database_url)) == generator.expected.messages
