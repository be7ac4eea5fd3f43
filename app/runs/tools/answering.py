"""Takes what a caller says of the calls that a run holds for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

import orjson

from app.db import runs, tool_rounds
from app.db.models import Message
from app.db.session import Session
from app.errors import InvalidInput
from app.events import RunStatus

_OVER: Final = "The run is over, and something else was noted of this call."
_NOT_APPROVED: Final = orjson.dumps(tool_rounds.CLOSED[tool_rounds.ASKED][1]).decode()
DENIED: Final = "The user did not approve this call. Do not repeat it unasked."


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a call that the caller has carried out."""

    call_id: str
    result: Any
    """JSON."""
    failed: bool

    @property
    def stored(self) -> tuple[str, str]:
        """Give status and content of its message."""
        status = tool_rounds.SENT_FAILED if self.failed else tool_rounds.SENT
        return status, orjson.dumps(self.result).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Whether a call may be made."""

    call_id: str
    approved: bool
    reason: str | None = None
    """Why it may not."""

    @property
    def stored(self) -> tuple[str, str]:
        """Give status and content of its message."""
        if self.approved:
            return tool_rounds.APPROVED, ""
        return tool_rounds.SENT_FAILED, orjson.dumps({"error": self.reason or DENIED, "approved": False}).decode()


Given = Result | Approval


@dataclass(frozen=True, slots=True)
class Taken:
    """How a run stands then."""

    awaited: Sequence[str]
    """Ids of calls for which the caller has not done its part."""
    over: bool


async def take_answers(session: Session, *, user_id: str, run_id: UUID, given: Sequence[Given]) -> Taken:
    """Store what is said of calls, all of it or nothing; the same again changes nothing.

    Raises `NotFound`, and `InvalidInput` for a call that the run has not made, of which something else is to be said,
    or has been said already.
    """
    run = await runs.get_run(session, user_id=user_id, run_id=run_id)
    rows = {row.tool_call_id: row for row in await tool_rounds.tool_rows(session, run_id, lock=True)}
    over = RunStatus(run.status).terminal
    for number, one in enumerate(given):
        field = f"results.{number}.tool_call_id"
        row = rows.get(one.call_id)
        if row is None:
            action = "Send the ids of run.awaiting_tools or run.awaiting_approval."
            raise _refused(field, "The run has made no call with this id.", action)
        put = _put_result if isinstance(one, Result) else _put_approval
        await put(session, row, one, field, over=over)
    answered = {one.call_id for one in given}
    held = (row for row in rows.values() if row.status in tool_rounds.HELD)
    awaited = [row.tool_call_id for row in held if row.tool_call_id and row.tool_call_id not in answered]
    return Taken(awaited, over)


async def _put_result(session: Session, row: Message, one: Given, field: str, *, over: bool) -> None:
    status, content = one.stored
    same = {(status, content), (tool_rounds.CLOSED[status][0], content)}
    if row.status == tool_rounds.AWAITED:
        await tool_rounds.put_result(session, row_id=row.id, status=status, content=content)
    elif row.status == tool_rounds.ASKED:
        text = "The gateway carries this call out itself, once it is approved."
        raise _refused(field, text, "Send approved, true or false, in place of a result.")
    elif row.status in {*tool_rounds.ENDING, tool_rounds.APPROVED}:
        raise _refused(field, "The gateway carries this call out itself.", "Leave it out.", status=409)
    elif (row.status, row.content) not in same:
        raise _refused(field, _OVER if over else "This call has another result already.", "Leave it out.", status=409)


async def _put_approval(session: Session, row: Message, one: Given, field: str, *, over: bool) -> None:
    status, content = one.stored
    if row.status == tool_rounds.ASKED:
        await tool_rounds.put_result(session, row_id=row.id, status=status, content=content)
    elif row.status == tool_rounds.AWAITED:
        text = "The caller carries this call out itself: it needs no approval."
        raise _refused(field, text, "Send result or error in place of approved.")
    elif _was_denied(row) == (status == tool_rounds.APPROVED) or row.content == _NOT_APPROVED:
        text = _OVER if over else "This call was not asked about, or the opposite was said before."
        raise _refused(field, text, "Leave it out.", status=409)


def _was_denied(row: Message) -> bool:
    if row.status not in {"failed", tool_rounds.SENT_FAILED}:
        return False
    result: object = orjson.loads(row.content)
    return isinstance(result, dict) and cast("dict[str, object]", result).get("approved") is False


def _refused(field: str, text: str, action: str, *, status: int = 400) -> InvalidInput:
    return InvalidInput(text, action=action, fields={field: [text]}, http_status=status)
