"""Takes the results of the calls that a caller carries out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from app.db import runs, tool_rounds
from app.db.models import Message
from app.db.session import Session
from app.errors import InvalidInput
from app.events import RunStatus


@dataclass(frozen=True, slots=True)
class Given:
    """The result of one call."""

    call_id: str
    result: Any
    """JSON."""
    failed: bool

    @property
    def stored(self) -> tuple[str, str]:
        """Give status and content of its message."""
        return "failed" if self.failed else "completed", orjson.dumps(self.result).decode()


@dataclass(frozen=True, slots=True)
class Taken:
    """How a run stands then."""

    awaited: Sequence[str]
    """Ids of calls that still have no result."""
    over: bool


async def take_results(session: Session, *, user_id: str, run_id: UUID, given: Sequence[Given]) -> Taken:
    """Store results, all of them or none; the same ones again change nothing.

    Raises `NotFound`, and `InvalidInput` for a call that the run has not made, that is not the caller's to carry out,
    or that has another result already.
    """
    run = await runs.get_run(session, user_id=user_id, run_id=run_id)
    rows = {row.tool_call_id: row for row in await tool_rounds.tool_rows(session, run_id)}
    for number, one in enumerate(given):
        field = f"results.{number}.tool_call_id"
        row = rows.get(one.call_id)
        if row is None:
            raise _refused(field, "The run has made no call with this id.", "Send the ids of run.awaiting_tools.")
        await _put(session, row, one, field)
    answered = {one.call_id for one in given}
    open_rows = (row for row in rows.values() if row.status == tool_rounds.AWAITED)
    awaited = [row.tool_call_id for row in open_rows if row.tool_call_id and row.tool_call_id not in answered]
    return Taken(awaited, RunStatus(run.status).terminal)


async def _put(session: Session, row: Message, one: Given, field: str) -> None:
    status, content = one.stored
    if row.status == tool_rounds.AWAITED:
        await tool_rounds.put_result(session, row_id=row.id, status=status, content=content)
    elif row.status in tool_rounds.OPEN:
        raise _refused(field, "The gateway carries this call out itself.", "Leave it out.", status=409)
    elif (row.status, row.content) != (status, content):
        raise _refused(field, "This call has another result already.", "Leave it out.", status=409)


def _refused(field: str, text: str, action: str, *, status: int = 400) -> InvalidInput:
    return InvalidInput(text, action=action, fields={field: [text]}, http_status=status)
