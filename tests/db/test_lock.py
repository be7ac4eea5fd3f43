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


def test_another_file_is_another_database(tmp_path: Path) -> None:
    with only_process(f"sqlite:///{tmp_path}/a.db"), only_process(f"sqlite:///{tmp_path}/b.db"):
        pass


def test_postgres_has_no_such_lock() -> None:
    with only_process("postgresql://localhost/x"), only_process("postgresql://localhost/x"):
        pass
