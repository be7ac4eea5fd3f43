"""`llm-gateway prompt`."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from app.cli import main
from app.db.prompts import MAX_CHARS, find_prompt
from app.db.session import Database
from app.runs.prompt import BUILT_IN_PROMPT

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def command(sqlite_url: str) -> Command:
    """Run `llm-gateway prompt` on a database of its own."""
    # Importing reads files, which must not happen in the loop that the command starts.
    import_module("app.serve")

    def run(*arguments: str, stdin: bytes | None = None, url: str = sqlite_url) -> Result:
        return CliRunner().invoke(main, ["prompt", *arguments], input=stdin, env={"GATEWAY_DATABASE_URL": url})

    return run


def succeeds(answer: Result) -> Result:
    assert answer.exit_code == 0, answer.output
    return answer


def test_show_prints_the_built_in_prompt_until_there_is_another(command: Command) -> None:
    shown = succeeds(command("show"))

    assert shown.stdout == f"{BUILT_IN_PROMPT}\n"
    assert "built-in" in shown.stderr


def test_a_prompt_from_a_file_is_shown_until_it_is_reset(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_bytes(b"\xef\xbb\xbf\r\nPlan trips to S\xc3\xa3o Paulo.\r\n\r\n## Rules\r\n- {none} %s\r\n\r\n")

    succeeds(command("set", "--file", str(file)))
    shown = succeeds(command("show"))

    assert shown.stdout_bytes.decode() == "Plan trips to São Paulo.\n\n## Rules\n- {none} %s\n"
    assert "your own" in shown.stderr
    for _ in range(2):
        succeeds(command("reset"))
        assert succeeds(command("show")).stdout == f"{BUILT_IN_PROMPT}\n"


def test_a_prompt_may_come_from_standard_input_and_again_from_what_show_prints(command: Command) -> None:
    succeeds(command("set", stdin="Plan ♥ trips.".encode()))
    shown = succeeds(command("show")).stdout
    succeeds(command("set", "--file", "-", stdin=shown.encode()))

    assert succeeds(command("show")).stdout == shown == "Plan ♥ trips.\n"


def test_the_longest_prompt_is_taken_whole(command: Command) -> None:
    text = "🌍" * MAX_CHARS

    told = succeeds(command("set", stdin=f"{text}\n".encode()))

    assert str(MAX_CHARS) in told.stdout
    assert succeeds(command("show")).stdout == f"{text}\n"


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        (b"", "prompt reset"),
        (b" \r\n\t\n", "prompt reset"),
        (b"x" * (MAX_CHARS + 1), f"up to {MAX_CHARS} characters"),
        (("🌍" * (MAX_CHARS + 1)).encode(), f"up to {MAX_CHARS} characters"),
        (("xx" + "🌍" * 2 * MAX_CHARS).encode(), f"up to {MAX_CHARS} characters"),
        (b"a\x00b", "NUL"),
        (b"caf\xe9", "not UTF-8 at byte 3"),
        (b"\xff\xfeP\x00l\x00", "not UTF-8 at byte 0"),
        (b"half \xed\xa0\xbd", "not UTF-8 at byte 5"),
    ],
)
def test_what_cannot_be_a_prompt_is_named_and_changes_nothing(command: Command, stdin: bytes, told: str) -> None:
    succeeds(command("set", stdin=b"The one before."))

    answer = command("set", stdin=stdin)

    assert (answer.exit_code, answer.stdout) == (2, "")
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
    assert succeeds(command("show")).stdout == "The one before.\n"


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_a_file_that_cannot_be_read_is_named(command: Command, tmp_path: Path, name: str) -> None:
    answer = command("set", "--file", str(tmp_path / name))

    assert answer.exit_code == 2
    assert "--file" in answer.stderr
    assert "Traceback" not in answer.stderr


async def test_a_running_gateway_has_it_with_the_next_read(sqlite_url: str, command: Command) -> None:
    database = Database.open(sqlite_url)

    async def found() -> str | None:
        async with database.read() as session:
            return await find_prompt(session)

    before = await found()
    succeeds(await asyncio.to_thread(command, "set", stdin=b"Plan trips."))
    between = await found()
    succeeds(await asyncio.to_thread(command, "reset"))

    assert (before, between, await found()) == (None, "Plan trips.", None)
    await database.close()


@pytest.mark.parametrize("arguments", [("show",), ("set",), ("reset",)])
def test_a_database_that_is_gone_is_one_line(command: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    answer = command(*arguments, stdin=b"Plan.", url=f"sqlite:///{tmp_path}/no/such/gateway.db")

    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "llm-gateway: The database" in answer.stderr
    assert "Plan." not in answer.stderr
