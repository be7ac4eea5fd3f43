"""Bodies of the route that takes what a caller says of the tool calls of a run."""

from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from app.schemas.body import Body

MAX_RESULTS: Final = 128
MAX_ID_CHARS: Final = 20_000
"""No call has a longer one: see `app.runs.tools.call`."""


class ToolResultBody(Body):
    """What is said of one call.

    Of one that the caller carries out: `result`, which is any JSON, or `error`, which says why there is none. Of one
    that waits for approval: `approved`; where it is false, `error` may tell the model why.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 2})

    tool_call_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_CHARS)]
    result: Any = None
    error: Annotated[str, StringConstraints(min_length=1, max_length=10_000)] | None = None
    approved: bool | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if "result" in self.model_fields_set and (self.error is not None or self.approved is not None):
            message = "This has a result, so error and approved are to be left out."
        elif self.approved and self.error is not None:
            message = "This is approved, so error is to be left out."
        elif not self.model_fields_set & {"result", "error", "approved"}:
            message = "This needs a result, an error or approved."
        else:
            return self
        raise ValueError(message)


class ToolResultsBody(Body):
    """What is said of some or all of the calls that a run waits for."""

    results: Annotated[list[ToolResultBody], Field(min_length=1, max_length=MAX_RESULTS)]

    @field_validator("results")
    @classmethod
    def _distinct(cls, results: list[ToolResultBody]) -> list[ToolResultBody]:
        ids = [one.tool_call_id for one in results]
        if len(set(ids)) < len(ids):
            message = "A tool_call_id is there twice."
            raise ValueError(message)
        return results


class ToolResultsAnswer(Body):
    """What the run still waits for; once that is nothing it goes on."""

    run_id: str
    awaited: list[str]
    """Ids of calls without a result or an approval."""
    stream_url: str
    """Where the answer is read on."""
