"""The pages about errors say what the code says, and each code is there."""

from app.errors import ErrorBody, GatewayError, Origin, all_errors
from scripts import write_error_docs


def test_the_pages_are_current() -> None:
    for name, render in write_error_docs.PAGES.items():
        assert (write_error_docs.DOCS / name).read_text(encoding="utf-8") == render(), "run make docs"


def test_every_code_is_told_once_with_its_anchor() -> None:
    page = write_error_docs.render_errors()

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
    assert "unknown_error" not in write_error_docs.render_faults().partition("| failure")[2]
