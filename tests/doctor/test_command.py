"""`llm-gateway doctor`: the same steps in a terminal, with exit codes for scripts."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.config_file import ProviderTable
from app.vault import generate_key
from tests.doctor.site import KEY, Play, Site, api, fixed, open_site
from tests.routers.gateway import open_gateway
from tests.upstream import refused_port

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def beside(play: Play) -> Generator[Site]:
    """Run a site in a loop of its own: the command is another process, which the test waits for."""
    ready, done = threading.Event(), asyncio.Event()
    sites: list[Site] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with open_site(play) as site:
            sites.append(site)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield sites[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


def config(folder: Path, base: str, more: str = "") -> Path:
    file = folder / "gateway.toml"
    table = f'[providers.groq]\napi_base = "{base}"\ndefault_model = "gpt-5-nano"\n{more}'
    file.write_text(table, encoding="utf-8")
    return file


def doctor(
    folder: Path, base: str, *arguments: str, stdin: str = "", provider: str = "groq", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command where no database is."""
    command = [sys.executable, "-c", "from app.cli import main; main()", "doctor", provider, *arguments]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)} | environ
    given["GATEWAY_CONFIG_FILE"] = str(config(folder, base))
    return subprocess.run(  # noqa: S603 - our own command
        command, cwd=folder, env=given, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def rows(ran: subprocess.CompletedProcess[str]) -> dict[str, str]:
    lines = [line.split() for line in ran.stdout.partition("\n\n")[0].splitlines()[2:]]
    return {line[0]: line[1] for line in lines}


@pytest.mark.parametrize("way", ["stdin", "variable"])
def test_a_key_that_is_given_needs_no_database(tmp_path: Path, way: str) -> None:
    with beside(api()) as site:
        if way == "stdin":
            ran = doctor(tmp_path, site.url(), "--key-stdin", stdin=f"  {KEY}\n")
        else:
            ran = doctor(tmp_path, site.url(), GATEWAY_DOCTOR_KEY=KEY)

    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert ran.stdout.splitlines()[0] == "groq, model gpt-5-nano, wire openai_chat"
    assert rows(ran)["auth"] == rows(ran)["model"] == "PASS"
    assert rows(ran)["stream"] == "SKIP"
    assert KEY not in ran.stdout
    assert site.posted == []
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.toml"]


def test_a_failure_is_1_and_says_what_to_do(tmp_path: Path) -> None:
    ran = doctor(tmp_path, f"http://127.0.0.1:{refused_port()}/v1", GATEWAY_DOCTOR_KEY=KEY)

    assert (ran.returncode, ran.stderr) == (1, "")
    assert rows(ran)["tcp"] == "FAIL"
    assert "[provider_unreachable]" in ran.stdout
    assert "\nWhat to do:\n  tcp: Start the service" in ran.stdout


def test_json_is_what_the_api_answers(tmp_path: Path) -> None:
    with beside(fixed(401, b'{"error":{"message":"No.","code":"invalid_api_key"}}', "application/json")) as site:
        ran = doctor(tmp_path, site.url(), "--json", "--model", "groq/gpt-6-luna", GATEWAY_DOCTOR_KEY=KEY)

    report = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert (report["status"], report["failed_step"], report["model"]) == ("fail", "auth", "gpt-6-luna")
    assert {"step", "status", "ms", "cause", "remedy", "code"} <= report["steps"][0].keys()


def test_with_tokens(tmp_path: Path) -> None:
    with beside(api()) as site:
        ran = doctor(tmp_path, site.url(), "--spend", "--tools", GATEWAY_DOCTOR_KEY=KEY)

    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert rows(ran)["wire"] == "PASS"
    assert rows(ran)["stream"] in {"PASS", "WARN"}
    assert rows(ran)["tool_call"] == "WARN", "this one never calls a tool"
    assert len(site.posted) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tools",), "--tools needs --spend"),
        (("--user", "ann", "--key-stdin"), "exclude each other"),
        (("--key-stdin",), "It is empty."),
        (("--model", "../x"), "parts separated by single slashes"),
        (("--model", "mistral/x"), "is not a model id of Groq"),
    ],
)
def test_a_wrong_command_is_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    ran = doctor(tmp_path, "http://127.0.0.1:9/v1", *arguments)

    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stdout == ""


def test_an_unknown_provider_is_2(tmp_path: Path) -> None:
    ran = doctor(tmp_path, "http://127.0.0.1:9/v1", provider="grok")

    assert ran.returncode == 2
    assert "Provider is not available" in ran.stderr


def test_a_key_that_cannot_be_one_is_not_quoted(tmp_path: Path) -> None:
    for given in ({"stdin": "sk-canary with-space"}, {"GATEWAY_DOCTOR_KEY": "sk-canary\u200bx"}):
        arguments = ("--key-stdin",) if "stdin" in given else ()
        ran = doctor(tmp_path, "http://127.0.0.1:9/v1", *arguments, **given)

        assert ran.returncode == 2
        assert "cannot be used" in ran.stderr
        assert "canary" not in ran.stderr + ran.stdout


def test_without_a_key_it_says_where_one_may_come_from(tmp_path: Path) -> None:
    with beside(api()) as site:
        ran = doctor(tmp_path, site.url())

    assert ran.returncode == 1
    assert rows(ran)["key_stored"] == "FAIL"
    assert rows(ran)["http"] == "PASS"
    assert "--key-stdin or GATEWAY_DOCTOR_KEY" in ran.stdout


def test_the_operators_key(tmp_path: Path) -> None:
    with beside(api()) as site:
        operators = {"VOYAGE_AI_PROVIDER": "groq", "VOYAGE_AI_API_KEY": KEY, "VOYAGE_AI_MODEL": "gpt-6-luna"}
        ran = doctor(tmp_path, site.url(), **operators)

    assert ran.returncode == 0, ran.stdout
    assert "model gpt-6-luna" in ran.stdout
    assert rows(ran)["auth"] == "PASS"


@pytest.mark.prove
async def test_the_key_of_a_user(sqlite_url: str, tmp_path: Path) -> None:
    master = generate_key()
    with beside(api()) as site:
        tables = {"groq": ProviderTable(api_base=site.url(), default_model="gpt-5-nano")}
        async with open_gateway(
            sqlite_url, credential_keys=SecretStr(master), provider_tables=tables, voyage_ai_provider=None
        ) as gateway:
            await gateway.http.post("/api/integrations/api-keys/", json={"provider": "groq", "api_key": KEY})
        stored = {"GATEWAY_DATABASE_URL": sqlite_url, "GATEWAY_CREDENTIAL_KEYS": master}

        def run(user: str, **environ: str) -> subprocess.CompletedProcess[str]:
            return doctor(tmp_path, site.url(), "--user", user, **stored | environ)

        ada, bob = await asyncio.to_thread(run, "ada"), await asyncio.to_thread(run, "bob")
        other = await asyncio.to_thread(lambda: run("ada", GATEWAY_CREDENTIAL_KEYS=generate_key()))

    assert (ada.returncode, rows(ada)["key_opens"], rows(ada)["auth"]) == (0, "PASS", "PASS"), ada.stdout
    assert (bob.returncode, rows(bob)["key_stored"]) == (1, "FAIL")
    assert (other.returncode, rows(other)["key_opens"]) == (1, "FAIL"), other.stderr
    assert "[credential_unreadable]" in other.stdout


def test_without_tokens_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from app.cli import main; "
        "CliRunner().invoke(main, ['doctor', 'groq']); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "GATEWAY_DOCTOR_KEY": KEY,
        "GATEWAY_CONFIG_FILE": str(config(tmp_path, f"http://127.0.0.1:{refused_port()}/v1")),
    }
    ran = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )

    assert not {"litellm", "sqlalchemy", "fastapi", "cryptography"} & set(ran.stdout.split())
