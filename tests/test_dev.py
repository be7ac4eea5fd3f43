"""`llm-gateway dev` as a person uses it: started, pasted from, and ended by Ctrl-C."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
COMMAND = [sys.executable, "-c", "from app.cli import main; main(prog_name='llm-gateway')", "dev"]


@contextmanager
def running(place: Path, **environ: str) -> Generator[tuple[subprocess.Popen[str], list[str]]]:
    """Start dev; give the process and the lines that it says to paste."""
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "GATEWAY_PORT": "0", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(  # noqa: S603 - our own command
        COMMAND, cwd=place, env=clean | environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout

        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("The demo model can"):
                break
        try:
            yield process, [line.strip() for line in said if line.startswith("  ")]
        finally:
            process.kill()


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str, float]:
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    return process.returncode, output, time.monotonic() - began


def bash(*lines: str) -> str:
    answer = subprocess.run(  # noqa: S603 - the lines that dev prints
        ["bash", "-c", "\n".join(lines)],  # noqa: S607 - a person's own shell
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return answer.stdout


def test_the_printed_lines_work_as_pasted_and_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as (process, lines):
        assert len(lines) == 3

        output = bash(*lines)

        assert "event: run.started" in output
        assert "event: run.completed" in output
        assert "data: [DONE]" in output
        assert '[{"id":"demo"' in output

        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / ".dev").iterdir()}
        code, rest, seconds = interrupt(process)

    assert (code, rest.strip()) == (0, "")
    assert seconds < 1.5  # 0.5 alone; other work on the machine takes the rest

    assert stat.S_IMODE((tmp_path / ".dev").stat().st_mode) == 0o700
    assert {"credential.key", "gateway.db", "gateway.db-wal"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_ctrl_c_does_not_wait_for_an_answer_nor_for_litellm(tmp_path: Path) -> None:
    with running(tmp_path) as (process, lines):
        stalling = lines[1].replace("A day in Lisbon, please", "stall")
        with subprocess.Popen(["bash", "-c", f"{lines[0]}\n{stalling}"], stdout=subprocess.PIPE, text=True) as reader:  # noqa: S603, S607 - as above
            assert reader.stdout
            assert reader.stdout.readline().startswith("id: ")

            code, rest, seconds = interrupt(process)
            ended = reader.stdout.read()

    assert (code, rest.strip()) == (0, "")
    assert seconds < 1.5
    assert "event: run.interrupted" in ended
    assert ended.endswith("data: [DONE]\n\n")


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with running(tmp_path) as (_, lines):
        port = lines[2].partition("127.0.0.1:")[2].partition("/")[0]
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "GATEWAY_PORT": port}
        second = subprocess.run(COMMAND, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - our own command

    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"Port {port} on 127.0.0.1: address already in use. Set GATEWAY_PORT" in second.stderr


def start(place: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Start dev where it cannot work; it ends by itself."""
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "GATEWAY_PORT": "0"}
    return subprocess.run(  # noqa: S603 - our own command
        COMMAND, cwd=place, env=clean | environ, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_second_dev_on_the_same_database_is_refused(tmp_path: Path) -> None:
    with running(tmp_path):
        second = start(tmp_path)

    assert (second.returncode, second.stderr.count("\n")) == (78, 1)
    assert "Another gateway is using this database" in second.stderr


@pytest.mark.parametrize(
    ("broken", "content"),
    [("credential.key", b""), ("credential.key", b"\x00garbage\xff" * 200), ("gateway.db", b"\x00garbage\xff" * 200)],
    ids=["empty-key", "garbage-key", "garbage-database"],
)
def test_a_broken_dev_folder_is_one_line_that_says_what_to_do(tmp_path: Path, broken: str, content: bytes) -> None:
    folder = tmp_path / ".dev"
    folder.mkdir()
    (folder / broken).write_bytes(content)

    refused = start(tmp_path)

    assert refused.returncode == 78
    assert "Traceback" not in refused.stderr
    assert f".dev/{broken} cannot be used. Delete .dev/" in refused.stderr.splitlines()[-1]


def test_a_dev_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".dev").write_text("a file")

    refused = start(tmp_path)

    assert (refused.returncode, refused.stderr.count("\n")) == (78, 1)
    assert ".dev/ cannot be written" in refused.stderr
