"""Descriptions of fields, read from the docstrings below them."""

from pydantic import Field

from app.schemas.body import Body


class _Base(Body):
    """A model."""

    first: int
    """The first
    of two lines."""
    bare: int
    second: int
    """Said by the base."""


class _Model(_Base):
    """Another one."""

    second: int
    """Said here."""
    third: int = Field(default=1, description="Its own.")
    """Not shown."""
    fourth: int = Field(default=1, alias="4th")
    """Under its name on the wire."""
    inner: _Base
    """What is inside."""


def test_the_schema_has_the_docstrings_of_the_fields() -> None:
    schema = _Model.model_json_schema()
    described = {name: field.get("description") for name, field in schema["properties"].items()}

    assert described == {
        "first": "The first\nof two lines.",
        "bare": None,
        "second": "Said here.",
        "third": "Its own.",
        "4th": "Under its name on the wire.",
        "inner": "What is inside.",
    }
    assert schema["$defs"]["_Base"]["properties"]["second"]["description"] == "Said by the base."
