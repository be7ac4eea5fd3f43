"""scripts/bootstrap in a copy of what it reads, with a stand-in for uv that notes how it was called."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bootstrap.lock")
VERSION = re.search(r"^uv==(\S+)", (REPOSITORY / "requirements-bootstrap.lock").read_text(), re.MULTILINE)
UV = """#!/bin/sh
echo "$*" >>{calls}
if [ "$1" = --version ]; then echo "uv {version} (a stand-in)"; exit 0; fi
case "$1 $2" in
    "venv "*) mkdir -p .venv/bin && ln -sf {python} .venv/bin/python ;;
    "pip sync") [ ! -e {broken} ] || exit 2 ;;
esac
"""


class Copy:
    """A directory with what bootstrap needs, and a uv on PATH."""

    def __init__(self, place: Path) -> None:
        assert VERSION

        self.place = place
        self.calls_file, self.broken = place / "calls", place / "broken"
        (place / "scripts").mkdir()
        for name in ("scripts/bootstrap", "pyproject.toml", *LOCKS):
            shutil.copy(REPOSITORY / name, place / name)
        (place / "bin").mkdir()
        uv = place / "bin" / "uv"
        uv.write_text(UV.format(version=VERSION[1], calls=self.calls_file, broken=self.broken, python=sys.executable))
        uv.chmod(0o755)

    def start(self) -> subprocess.Popen[str]:
        environ = {"PATH": f"{self.place / 'bin'}:/usr/bin:/bin", "PYTHON": sys.executable}
        script = str(self.place / "scripts" / "bootstrap")
        return subprocess.Popen([script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ)  # noqa: S603 - our own script

    def run(self) -> tuple[int, str]:
        with self.start() as process:
            output, _ = process.communicate(timeout=30)
            return process.returncode, output

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    @property
    def installations(self) -> list[str]:
        return [call for call in self.calls if call != "--version"]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_it_installs_what_the_lock_says_and_then_has_nothing_to_do(copy: Copy) -> None:
    code, _ = copy.run()

    assert code == 0
    assert [call.split()[0] for call in copy.installations] == ["venv", "pip", "pip"]
    assert "--require-hashes --compile-bytecode requirements-dev.lock" in copy.installations[1]
    assert "--no-deps --no-build-isolation" in copy.installations[2]

    copy.calls_file.unlink()
    stamp = (copy.place / ".venv" / ".bootstrap-stamp").stat().st_mtime_ns

    assert copy.run() == (0, "")
    assert copy.calls == []  # it did not even ask uv for its version
    assert (copy.place / ".venv" / ".bootstrap-stamp").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("name", ["requirements-dev.lock", "pyproject.toml", "requirements-bootstrap.lock"])
def test_a_changed_file_is_installed(copy: Copy, name: str) -> None:
    copy.run()
    copy.calls_file.unlink()
    with (copy.place / name).open("a") as file:
        file.write("# changed\n")

    assert copy.run()[0] == 0
    assert [call.split()[0] for call in copy.installations] == ["pip", "pip"]


def test_a_failed_installation_says_so_and_is_done_again_from_the_start(copy: Copy) -> None:
    copy.broken.touch()
    code, output = copy.run()

    assert code == 1
    assert "bootstrap: the packages could not be installed" in output

    copy.broken.unlink()
    copy.calls_file.unlink()

    assert copy.run()[0] == 0
    assert [call.split()[0] for call in copy.installations] == ["venv", "pip", "pip"]


def test_a_failed_update_does_not_count_as_installed(copy: Copy) -> None:
    copy.run()
    copy.broken.touch()
    (copy.place / "pyproject.toml").write_text("# changed\n")

    assert copy.run()[0] == 1
    assert copy.run()[0] == 1


def test_of_two_at_once_one_installs(copy: Copy) -> None:
    running = [copy.start() for _ in range(3)]
    outputs = [process.communicate(timeout=30)[0] for process in running]

    assert [process.returncode for process in running] == [0, 0, 0], outputs
    assert len([call for call in copy.calls if call.startswith("pip sync")]) == 1


def test_an_environment_that_was_made_elsewhere_is_made_anew(copy: Copy, tmp_path: Path) -> None:
    copy.run()
    stamp = copy.place / ".venv" / ".bootstrap-stamp"
    stamp.write_text(stamp.read_text().replace(str(tmp_path), "/elsewhere"))
    copy.calls_file.unlink()
    copy.run()

    assert copy.installations[0].startswith("venv")


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_pin_versions_and_hashes_and_name_no_host(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())

    assert "://" not in text
    assert "--index" not in text
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z0-9,-]+\])?==\S+ ", entry) for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_litellm_is_the_pinned_one_in_both_locks() -> None:
    for name in LOCKS[:2]:
        assert "\nlitellm==1.106.2 " in (REPOSITORY / name).read_text()
