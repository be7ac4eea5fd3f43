"""The generated pages say what the code says, and each code, fault and provider is there."""

import runpy
import sys
from pathlib import Path

import pytest

from app.errors import ErrorBody, GatewayError, Origin, all_errors
from app.providers.catalog import CATALOG
from scripts import write_docs
from scripts.faults_page import render_faults
from scripts.tools_page import render_tools
from tests.upstream import FAULTS


def test_the_pages_are_current() -> None:
    assert write_docs.main(["--check"]) == 0, "run make docs"


def test_the_command_behind_make_docs_does_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["write_docs", "--check"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(write_docs.__file__, run_name="__main__")


def test_check_notices_an_old_page(tmp_path: Path) -> None:
    assert write_docs.main([], tmp_path) == 0
    assert write_docs.main(["--check"], tmp_path) == 0
    for name in write_docs.PAGES:
        page = tmp_path / name
        current = page.read_text(encoding="utf-8")
        page.write_text("old", encoding="utf-8")

        assert write_docs.main(["--check"], tmp_path) == 1

        page.write_text(current, encoding="utf-8")


def test_every_provider_has_one_line_with_its_base_url() -> None:
    lines = [line for line in write_docs.render_providers().splitlines() if line.startswith("| `")]

    assert [line.split("`")[1] for line in lines] == [row.id for row in CATALOG]
    assert all(row.api_base in line for row, line in zip(CATALOG, lines, strict=True))


def test_every_fault_says_in_words_what_happens() -> None:
    told = [fault.says for fault in FAULTS]

    assert all(told)
    assert len(set(told)) == len(told)


def test_every_code_is_told_once_with_its_anchor() -> None:
    page = write_docs.render_errors()

    for kind in all_errors():
        assert page.count(f'<a id="{kind.code}"></a>') == 1


def test_codes_are_unique_and_the_bases_have_none() -> None:
    kinds = list(all_errors())

    assert len({kind.code for kind in kinds}) == len(kinds)
    assert not hasattr(GatewayError, "code")


def test_the_object_is_complete_for_every_error() -> None:
    for kind in all_errors():
        body = ErrorBody(error=kind(origin=Origin(provider="p", label="P", model="m")), partial_text="so far").as_dict()

        assert body["error"].startswith("so far\n\n")
        assert body["detail"]
        assert body["error_category"] == body["error_detail"]["code"] == kind.code
        assert "{" not in body["detail"]


def test_no_fault_of_the_corpus_is_unknown() -> None:
    assert "unknown_error" not in render_faults().partition("| what happens")[2]


def test_each_of_the_fifteen_tools_is_told_with_its_arguments() -> None:
    page = render_tools()
    names = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]

    assert (len(names), len(set(names))) == (15, 15)
    assert "| `location` | string | yes | Where to look" in page
    assert page.count("Only reads.") == 5
