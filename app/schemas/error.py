"""The error object, as the API's own documentation shows it."""

from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from app.errors import Fault, GatewayError, InternalError, InvalidInput, NotAuthenticated, Phase, StorageUnavailable

_EVERYWHERE: Final = (NotAuthenticated, StorageUnavailable, InternalError)


class ErrorDetail(BaseModel):
    """What a program needs to know about an error."""

    code: str
    message: str
    action: str
    fault: Fault
    phase: Phase
    retryable: bool
    retry_after_s: float | None
    http_status: int
    provider: str | None
    model: str | None
    upstream_status: int | None
    upstream_code: str | None
    upstream_request_id: str | None
    upstream_message: str | None
    did_you_mean: list[str]
    fields: dict[str, list[str]]
    partial: bool
    request_id: str | None
    run_id: str | None
    docs_url: str


class ErrorAnswer(BaseModel):
    """The one error object: in every HTTP error, in the terminal event of a stream and in a stored message.

    Where fields of a body are wrong, each also stands at the top with an array of its texts.
    """

    model_config = ConfigDict(extra="allow")

    error: str = Field(min_length=1)
    error_category: str
    detail: str = Field(min_length=1)
    error_detail: ErrorDetail


_CONTENT: Final = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}}}
"""Named and not given as `model`: for each of 250 the framework would build a validator that nothing ever runs."""


def answers(*errors: type[GatewayError], body: bool = False, conflict: bool = False) -> dict[int | str, dict[str, Any]]:
    """Give the `responses` of a route that can fail with `errors`, and with what every route can fail with.

    `body`: it takes a body, which can be late, too large or of the wrong type. `conflict`: a field that was fine may
    not fit what has happened meanwhile.
    """
    codes: dict[int, list[str]] = {}
    for error in (*errors, *_EVERYWHERE):
        codes.setdefault(error.status, []).append(error.code)
    for status in (*((InvalidInput.status, 408, 413, 415) if body else ()), *((409,) if conflict else ())):
        codes.setdefault(status, []).append(InvalidInput.code)
    return {
        status: {"content": _CONTENT, "description": f"{HTTPStatus(status).phrase}: {', '.join(dict.fromkeys(names))}"}
        for status, names in sorted(codes.items())
    }
