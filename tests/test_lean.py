"""Importing what serves, without what comes along."""

import gc
import importlib
import os
import sys
from collections.abc import Iterator

import pytest

from app.cli.lean import lean_imports


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    loaded = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "rich"}
    yield
    gc.unfreeze()
    sys.modules.update(loaded)


def test_what_is_left_out_can_be_imported_afterwards() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        del sys.modules[name]

    with lean_imports():
        assert not gc.isenabled()
        with pytest.raises(ImportError):
            importlib.import_module("rich")

    assert gc.isenabled()
    assert importlib.import_module("rich").__name__ == "rich"


def test_it_ends_so_after_a_failure_too() -> None:
    def fail() -> None:
        with lean_imports():
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    assert gc.isenabled()
    assert sys.modules.get("rich", sys) is not None


def test_an_operators_own_choice_of_plugins_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "")

    with lean_imports():
        pass

    assert os.environ["PYDANTIC_DISABLE_PLUGINS"] == ""
