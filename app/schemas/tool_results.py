"""Bodies of the route that takes the results of a caller's tools."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from app.schemas.body import Body

MAX_RESULTS = 128


class ToolResultBody(Body):
    """What came of one call: `result`, which is any JSON, or `error`, which says why there is none."""

    tool_call_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    result: Any = None
    error: Annotated[str, StringConstraints(min_length=1, max_length=10_000)] | None = None


class ToolResultsBody(Body):
    """Results of some or all of the calls that a run waits for."""

    results: Annotated[list[ToolResultBody], Field(min_length=1, max_length=MAX_RESULTS)]


class ToolResultsAnswer(Body):
    """What the run still waits for; once that is nothing it goes on."""

    run_id: str
    awaited: list[str]
    """Ids of calls without a result."""
    stream_url: str
    """Where the answer is read on."""
