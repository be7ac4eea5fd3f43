"""The command line."""

import logging
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from app.cli import main

REPOSITORY = Path(__file__).parents[1]
HEAVY = {"alembic", "cryptography", "fastapi", "litellm", "pydantic", "sqlalchemy", "starlette", "uvicorn"}


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def gateway(place: Path, *arguments: str, **environ: str) -> Result:
    """Run the command in this process: what it imports then is imported once."""
    before = Path.cwd()
    os.chdir(place)
    try:
        return CliRunner().invoke(main, arguments, env=environ)
    finally:
        os.chdir(before)


def process(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=REPOSITORY, capture_output=True, text=True, check=True)  # noqa: S603 - our own command


def one_line(text: str) -> bool:
    return text.endswith("\n") and text.count("\n") == 1


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    times: list[float] = []
    for _ in range(3):
        began = time.perf_counter()
        answer = process("-c", "from app.cli import main; main()", "--help")
        times.append(time.perf_counter() - began)

        assert {"dev", "serve", "migrate", "keys", "providers"} <= set(answer.stdout.split())

    loaded = process("-c", "import sys, app.cli; print(*{name.partition('.')[0] for name in sys.modules})")

    assert min(times) < 0.5
    assert not HEAVY & set(loaded.stdout.split())


def test_keys_generate_gives_a_new_key_each_time(tmp_path: Path) -> None:
    first, second = (gateway(tmp_path, "keys", "generate").stdout for _ in range(2))

    assert re.fullmatch(r"k[0-9a-f]{6}:[A-Za-z0-9+/]{43}=\n", first)
    assert first != second


def test_providers_lists_the_catalogue_and_the_operators_own(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[providers.ours]\napi_base = "http://10.0.0.7/v1"\nmodels = ["small"]\nneeds_api_key = false\n')
    answer = gateway(tmp_path, "providers", GATEWAY_CONFIG_FILE=str(file))
    lines = {line.split()[0]: line for line in answer.stdout.splitlines()}

    assert answer.stderr == ""
    assert {"ID", "openai", "anthropic", "ours"} <= lines.keys()
    assert lines["ours"].split() == ["ours", "ours", "small", "openai_chat", "no", "http://10.0.0.7/v1"]


def test_providers_needs_no_web_framework() -> None:
    code = "import sys; from app.cli import main; main(['providers'], standalone_mode=False); print(*sys.modules)"

    loaded = {name.partition(".")[0] for name in process("-c", code).stdout.splitlines()[-1].split()}

    assert not {"fastapi", "starlette", "uvicorn", "sqlalchemy", "litellm"} & loaded


def test_a_wrong_setting_is_one_line_and_78(tmp_path: Path) -> None:
    answer = gateway(tmp_path, "serve", GATEWAY_PROT="8000")

    assert answer.exit_code == 78
    assert answer.stderr.startswith("llm-gateway: ")
    assert "GATEWAY_PORT" in answer.stderr
    assert one_line(answer.stderr)


def test_serve_wants_a_way_to_sign_in_then_its_parts_then_the_tables(tmp_path: Path) -> None:
    environ = {"GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/gateway.db", "GATEWAY_PORT": "0"}
    steps = (
        ("GATEWAY_AUTH_METHODS", "voyage_session,static_tokens,service_tokens"),
        ("GATEWAY_AUTH_TOKENS_FILE", None),
        ("GATEWAY_VOYAGE_URL", "http://127.0.0.1:9"),
        ("GATEWAY_TRUSTED_ORIGINS", "http://localhost:8015"),
        ("llm-gateway migrate", None),
    )
    for name, value in steps:
        answer = gateway(tmp_path, "serve", **environ)

        assert answer.exit_code == 78
        assert one_line(answer.stderr), answer.stderr
        assert name in answer.stderr

        if name == "GATEWAY_AUTH_TOKENS_FILE":
            environ |= {"GATEWAY_AUTH_TOKENS": f"anna:{'t' * 32}"}
        environ |= {name: value} if value else {}


def test_tokens_that_nobody_could_use_stop_the_start(tmp_path: Path) -> None:
    environ = {"GATEWAY_AUTH_METHODS": "service_tokens", "GATEWAY_AUTH_TOKENS": f"anna:{'t' * 32}"}
    answer = gateway(tmp_path, "serve", **environ)

    assert answer.exit_code == 78
    assert "static_tokens" in answer.stderr


def test_serve_refuses_the_mode_that_asks_nobody(tmp_path: Path) -> None:
    answer = gateway(tmp_path, "serve", GATEWAY_DEV="true")

    assert answer.exit_code == 78
    assert "GATEWAY_DEV" in answer.stderr


@pytest.mark.parametrize("command", [("migrate",), ("keys", "status")])
def test_a_database_that_does_not_answer_is_one_line_and_1(tmp_path: Path, command: tuple[str, ...]) -> None:
    key = gateway(tmp_path, "keys", "generate").stdout.strip()
    nowhere = f"sqlite:///{tmp_path}/no/such/directory/gateway.db"
    answer = gateway(tmp_path, *command, GATEWAY_DATABASE_URL=nowhere, GATEWAY_CREDENTIAL_KEYS=key)

    assert answer.exit_code == 1
    assert "Traceback" not in answer.stderr
    assert "llm-gateway: The database" in answer.stderr


@pytest.mark.parametrize("made_before", [False, True])
@pytest.mark.parametrize(
    "command",
    [
        ("serve",),
        ("keys", "status"),
        ("keys", "rotate"),
        ("tokens", "list"),
        ("tokens", "create", "reports", "--scope", "chat"),
        ("prompt", "show"),
        ("prompt", "reset"),
    ],
)
def test_only_migrate_makes_the_database(tmp_path: Path, command: tuple[str, ...], *, made_before: bool) -> None:
    file = tmp_path / "gateway.db"
    key = gateway(tmp_path, "keys", "generate").stdout.strip()
    environ = {"GATEWAY_AUTH_METHODS": "service_tokens", "GATEWAY_CREDENTIAL_KEYS": key, "GATEWAY_PORT": "0"}
    if made_before:
        file.touch()
    answer = gateway(tmp_path, *command, **environ)

    assert answer.exit_code == 78
    assert "run `llm-gateway migrate` first" in answer.stderr
    assert one_line(answer.stderr)
    assert not [path.name for path in tmp_path.iterdir() if path != file]
    assert file.exists() == made_before

    assert gateway(tmp_path, "migrate").exit_code == 0
    assert made_before or stat.S_IMODE(file.stat().st_mode) == 0o600


def test_migrate_then_rotate_and_status(tmp_path: Path) -> None:
    key = gateway(tmp_path, "keys", "generate").stdout.strip()
    environ = {"GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/gateway.db", "GATEWAY_CREDENTIAL_KEYS": key}

    migrated = gateway(tmp_path, "migrate", **environ)
    assert (migrated.exit_code, migrated.stderr) == (0, "")

    rotated = gateway(tmp_path, "keys", "rotate", **environ)
    assert rotated.stdout == "0 sealed anew, 0 changed meanwhile, 0 unreadable\n"

    status = gateway(tmp_path, "keys", "status", **environ)
    assert status.stdout.splitlines()[1].split() == [key.partition(":")[0], "0", "writes"]


def test_dev_listens_on_loopback_only(tmp_path: Path) -> None:
    answer = gateway(tmp_path, "dev", GATEWAY_HOST="0.0.0.0")  # noqa: S104 - refused

    assert answer.exit_code == 78
    assert "loopback" in answer.stderr or "127.0.0.1" in answer.stderr
    assert not (tmp_path / ".dev").exists()
