"""What a caller asks a run for."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from app.db.idempotency import Claim
from app.providers.model import ToolSpec
from app.runs.prompt import TripNotes
from app.secret import Secret


class OnConflict(StrEnum):
    """What a message does while another answer is being written in its conversation."""

    REJECT = "reject"
    ENQUEUE = "enqueue"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """What a caller asks for; provider and model None leave the choice to their settings, then to the operator."""

    user_id: str
    conversation_id: UUID
    text: str | None
    """None for another answer to a message that is stored already: `answers_to`."""
    answers_to: UUID | None = None
    """The user's message that gets another answer."""
    replaces: UUID | None = None
    """The user's message in whose place `text` comes, on a branch of its own."""
    follows: UUID | None = None
    """The message that `text` follows; None for the newest one."""
    session: Secret | None = None
    """The caller's own at Voyage: what it may see of the trip decides what the model is told."""
    notes: TripNotes = field(default_factory=TripNotes)
    provider: str | None = None
    model: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | None = None
    awaits_tools: bool = False
    """Whether the run waits for the results of `tools` when the model calls them; else it ends with the calls."""
    approves_writes: bool = False
    """Whether a call of the gateway's tools that may change something waits for the caller's approval."""
    request_id: str | None = None
    on_conflict: OnConflict = OnConflict.REJECT
    claim: Claim | None = None
    """The caller's name for this request: the same one again finds the same run."""

    @property
    def may_wait(self) -> bool:
        """Tell whether the run may come to wait for its caller."""
        return self.approves_writes or (self.awaits_tools and bool(self.tools))


def fingerprint(*parts: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    """Give what tells requests apart that carry the same idempotency key."""
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()
