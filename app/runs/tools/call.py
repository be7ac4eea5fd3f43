"""The calls that a model has made in one step, as they are sent back to it: always well formed."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

import orjson

from app.providers.model import ToolCall

ID_CHARS: Final = 9
"""How Mistral wants an id to be: nine letters and digits. Others take any."""
MAX_ID_CHARS: Final = 20_000
"""Longer ones are made anew: whoever sends the result of a call has to name it. Gemini's hold a signature of
kilobytes: see `app.providers.wires.gemini`."""
NAMELESS: Final = "unnamed_tool"
"""Providers refuse a call without a name in what they are sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a step."""

    index: int
    """Its place among the calls of the step, from 0."""
    id: str
    """Unique in the run: the interface tells results apart by it, and some providers begin anew in each step."""
    name: str
    arguments: Mapping[str, Any] | None
    """None for what is not a JSON object."""
    row_id: UUID
    """Of the message that holds its result."""

    def made(self) -> ToolCall:
        """Give the call as the model is reminded of it."""
        return ToolCall(id=self.id, name=self.name, arguments=self.arguments_text)

    @property
    def arguments_text(self) -> str:
        """JSON; an empty object in place of what was none, as providers refuse that."""
        return orjson.dumps(self.arguments).decode() if self.arguments is not None else "{}"

    def as_asked(self) -> dict[str, str]:
        """Give what its caller is told who has a part in it."""
        return {"tool_call_id": self.id, "name": self.name, "arguments": self.arguments_text}

    def as_dict(self) -> dict[str, Any]:
        """Give it as it is stored, in OpenAI's form."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments_text}}


def calls_of(said: Sequence[Mapping[str, Any]], used_ids: Iterable[str]) -> list[Call]:
    """Give the calls of a step, which `said` has in OpenAI's form; ids that are missing or used are made anew."""
    used = set(used_ids)
    calls: list[Call] = []
    for index, one in enumerate(said):
        function: Mapping[str, Any] = one["function"]
        id_ = str(one.get("id") or "")
        if not id_ or id_ in used or len(id_) > MAX_ID_CHARS:
            id_ = uuid.uuid4().hex[:ID_CHARS]
        used.add(id_)
        arguments = _object(str(function["arguments"]))
        name = str(function["name"]) or NAMELESS
        calls.append(Call(index=index, id=id_, name=name, arguments=arguments, row_id=uuid.uuid4()))
    return calls


def stored_call(row_id: UUID, call_id: str, said: Sequence[Mapping[str, Any]]) -> Call:
    """Give again a call of a step that is stored as `said`."""
    index, one = next((index, one) for index, one in enumerate(said) if one["id"] == call_id)
    function: Mapping[str, Any] = one["function"]
    arguments = _object(str(function["arguments"]))
    return Call(index=index, id=call_id, name=str(function["name"]), arguments=arguments, row_id=row_id)


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        value: object = orjson.loads(text.strip() or "{}")
        orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None  # no JSON, or nested deeper than can be written
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else None
