"""The versions of the tables, read without alembic."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.db import revision
from app.db.migrate import migration_config
from app.db.revision import current_revision_is_head, is_migrated_further, known_revisions, migrations_folder
from app.db.session import Database
from app.errors import ConfigError

GOOD = 'revision: str = "{}"\ndown_revision: str | None = {}\n'


def test_they_are_those_that_alembic_finds() -> None:
    scripts = list(ScriptDirectory.from_config(migration_config()).walk_revisions())

    assert known_revisions() == tuple(script.revision for script in reversed(scripts))


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ([], "some are missing"),
        ([GOOD.format("2", '"1"')], "some are missing"),
        ([GOOD.format("1", None), GOOD.format("3", '"2"')], "some are missing"),
        ([GOOD.format("1", None), GOOD.format("2", None)], "damaged: 1.py"),
        ([GOOD.format("1", None), ""], "damaged: 1.py"),
    ],
)
def test_damaged_ones_are_named(
    files: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "versions").mkdir()
    for number, content in enumerate(files):
        (tmp_path / "versions" / f"{number}.py").write_text(content, encoding="utf-8")
    monkeypatch.setattr(revision, migrations_folder.__name__, lambda: tmp_path)

    with pytest.raises(ConfigError, match=complaint):
        known_revisions.__wrapped__()


async def test_a_database_says_where_it_is(database: Database) -> None:
    found = list[tuple[bool, bool]]()
    for statement in (
        "UPDATE alembic_version SET version_num = '0001'",
        "UPDATE alembic_version SET version_num = '9999'",
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
    ):
        async with database.write() as session:
            await session.execute(text(statement))
        async with database.read() as session:
            found.append((await current_revision_is_head(session), await is_migrated_further(session)))

    assert found == [(False, False), (False, True), (False, False), (False, False)]
