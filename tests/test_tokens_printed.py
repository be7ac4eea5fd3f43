"""A token that nobody could read is no token: the real command, with places that take no output."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
COMMAND = "import sys; from app.cli import main; sys.argv[0] = 'llm-gateway'; main()"


def tokens(sqlite_url: str, *arguments: str, stdout: str | None = None) -> tuple[int, str, str]:
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "GATEWAY_DATABASE_URL": sqlite_url}
    place = Path(stdout).open("w", encoding="utf-8") if stdout else subprocess.PIPE  # noqa: SIM115 - closed by the process's end
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", COMMAND, "tokens", *arguments],
        env=environ,
        stdout=place,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    if not isinstance(place, int):
        place.close()
    return ended.returncode, ended.stdout or "", ended.stderr


def test_a_token_that_cannot_be_printed_is_revoked(sqlite_url: str) -> None:
    code, _, told = tokens(sqlite_url, "create", "reports", stdout="/dev/full")

    assert code == 1
    assert "revoked" in told
    assert "Traceback" not in told
    assert tokens(sqlite_url, "list")[1].rstrip().endswith("revoked")
