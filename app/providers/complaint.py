"""What a provider says about its failure, read from any of the dialects in use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

_STATUSES: Final = range(200, 600)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a provider says about its failure, whatever the dialect."""

    names: tuple[str, ...] = ()
    """Machine-readable names (type, code, status), most specific first."""
    message: str = ""
    status: int | None = None
    """An HTTP status inside the object, as some gateways send mid-stream."""
    structured: bool = False
    """Whether there was an error object at all."""

    @property
    def relayed(self) -> bool:
        """Whether a gateway says that it is about its own account at the provider behind it, as OpenCode Zen does."""
        return self.message.startswith("Error from provider")


def read_complaint(body: bytes) -> Complaint:
    """Read an error body in any dialect; what is no JSON object gives an empty complaint."""
    try:
        data: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Complaint()
    if isinstance(data, list) and data:
        data = cast("list[object]", data)[0]  # Gemini wraps the object in a list on some paths
    return read_object(cast("dict[str, Any]", data)) if isinstance(data, dict) else Complaint()


def read_object(data: Mapping[str, Any]) -> Complaint:
    """Find the error object: {error: {...}}, {error: "..."}, {response: {error}}, or flat as in {type, message}."""
    inner: object = data.get("error")
    response: object = data.get("response")
    if inner is None and isinstance(response, dict):
        inner = cast("dict[str, Any]", response).get("error")
    if isinstance(inner, str):
        return Complaint(names=_names(data), message=inner, status=_status(data), structured=True)
    found = cast("dict[str, Any]", inner) if isinstance(inner, dict) else data
    message = next((found[name] for name in ("message", "detail", "error") if isinstance(found.get(name), str)), "")
    structured = isinstance(inner, dict) or "message" in data
    return Complaint(names=_names(found), message=message, status=_status(found), structured=structured)


def _names(data: Mapping[str, Any]) -> tuple[str, ...]:
    values: list[object] = [data.get("code"), data.get("type"), data.get("status")]
    details: object = data.get("details")
    if isinstance(details, list):
        rows = cast("list[object]", details)[:8]
        values += [cast("dict[str, Any]", row).get("reason") for row in rows if isinstance(row, dict)]
    return tuple(value for value in values if isinstance(value, str) and value.lower() != "error")


def _status(data: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code"):
        value: object = data.get(name)
        if isinstance(value, str) and re.fullmatch(r"[2-5][0-9]{2}", value):
            value = int(value)
        if isinstance(value, int) and value in _STATUSES:
            return value
    return None
