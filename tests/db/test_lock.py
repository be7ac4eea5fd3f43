"""Two gateways on one SQLite file would take each other's answers for dead."""

from pathlib import Path

import pytest

from app.db.lock import only_process
from app.errors import ConfigError


def test_a_second_process_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/gateway.db"

    with only_process(url), pytest.raises(ConfigError, match="Another gateway"), only_process(url):
        pass
    with only_process(url):
        pass


def test_a_link_to_the_file_is_the_same_database(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").touch()
    (tmp_path / "alias.db").symlink_to("gateway.db")

    file, link = f"sqlite:///{tmp_path}/gateway.db", f"sqlite:///{tmp_path}/alias.db"
    with only_process(file), pytest.raises(ConfigError, match="Another gateway"), only_process(link):
        pass


def test_another_file_is_another_database(tmp_path: Path) -> None:
    with only_process(f"sqlite:///{tmp_path}/a.db"), only_process(f"sqlite:///{tmp_path}/b.db"):
        pass


def test_postgres_has_no_such_lock() -> None:
    with only_process("postgresql://localhost/x"), only_process("postgresql://localhost/x"):
        pass
