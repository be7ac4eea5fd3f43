"""The committed page says what the catalogue says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from app.providers.catalog import CATALOG

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_provider_docs", ROOT / "scripts" / "write_provider_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(script: ModuleType) -> None:
    committed = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")

    assert committed == script.render(), "run python -m scripts.write_provider_docs"
    assert script.main(["--check"]) == 0


def test_every_provider_has_one_line_with_its_base_url(script: ModuleType) -> None:
    lines = [line for line in script.render().splitlines() if line.startswith("| `")]

    assert [line.split("`")[1] for line in lines] == [row.id for row in CATALOG]
    assert all(row.api_base in line for row, line in zip(CATALOG, lines, strict=True))


def test_check_notices_an_old_page(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "providers.md"
    old.write_text("old", encoding="utf-8")
    monkeypatch.setattr(script, "PAGE", old)

    assert script.main(["--check"]) == 1
    assert script.main([]) == 0
    assert script.main(["--check"]) == 0
