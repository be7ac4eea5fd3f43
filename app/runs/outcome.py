"""How a run ended: a pure judgement over what arrived and what went wrong."""

import asyncio
from dataclasses import dataclass

from app.errors import (
    Cancelled,
    ContentFiltered,
    GatewayError,
    InternalError,
    Interrupted,
    Origin,
    Phase,
    StreamInterrupted,
    ToolValidationError,
)
from app.events import FinishReason, RunStatus
from app.runs.assembler import Draft


@dataclass(frozen=True, slots=True)
class Outcome:
    """The terminal status, and the error that a failed or an interrupted run is told with."""

    status: RunStatus
    error: GatewayError | None = None


def judge(draft: Draft, failure: BaseException | None, stopped_by: GatewayError | None, *, origin: Origin) -> Outcome:
    """Judge an answer that ended with `failure` (None: by itself); whoever stopped it outranks how it then broke."""
    match failure, stopped_by:
        case None, _:
            return _finished(draft, origin)
        case _, Cancelled():
            return Outcome(RunStatus.CANCELLED)
        case _, GatewayError():
            return Outcome(RunStatus.INTERRUPTED, Interrupted(origin=origin, phase=Phase.MID_STREAM))
        case asyncio.CancelledError(), _:
            return Outcome(RunStatus.INTERRUPTED, Interrupted(origin=origin, phase=Phase.MID_STREAM))
        case GatewayError(), _:
            return Outcome(RunStatus.FAILED, failure)
        case _:
            return Outcome(RunStatus.FAILED, InternalError())


def _finished(draft: Draft, origin: Origin) -> Outcome:
    match draft.finish:
        case FinishReason.CONTENT_FILTER:
            return Outcome(RunStatus.FAILED, ContentFiltered(origin=origin, phase=Phase.MID_STREAM))
        case FinishReason.LENGTH:
            return Outcome(RunStatus.INCOMPLETE)
        case _ if draft.tool_calls_broken:
            return Outcome(RunStatus.FAILED, ToolValidationError(origin=origin))
        case _ if not draft.tool_calls_whole:
            message = f"{origin.label} sent cut tool arguments."
            return Outcome(RunStatus.FAILED, StreamInterrupted(message, origin=origin))
        case _:
            return Outcome(RunStatus.COMPLETED)
