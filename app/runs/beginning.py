"""How a run begins: what is stored of it, and its first event."""

from app.db import runs
from app.events import Event, RunQueued, RunStarted, RunStatus
from app.runs.attempt import new_attempt
from app.runs.clock import Clock
from app.runs.live import LiveRun
from app.runs.plan import Plan
from app.runs.send import OnConflict, SendMessage


def new_run(run: LiveRun, send: SendMessage, plan: Plan, *, owner: str, clock: Clock) -> runs.NewRun:
    """Give the rows of a run that the process `owner` has in hand."""
    return runs.NewRun(
        user_id=send.user_id,
        conversation_id=send.conversation_id,
        run_id=run.run_id,
        user_message_id=run.user_message_id,
        message_id=run.message_id,
        text=send.text,
        provider=run.provider,
        model=run.model,
        parent_seq=plan.place.parent_seq,
        owner=owner,
        queue=send.on_conflict is OnConflict.ENQUEUE,
        attempts=[new_attempt(1, plan.route, clock)],
    )


def first_event(run: LiveRun, begun: runs.Begun) -> Event:
    """Give the event of a run that is stored: it begins, or waits."""
    if begun.status is not RunStatus.QUEUED:
        return started(run)
    conversation_id, asked, answer = str(run.conversation_id), str(run.user_message_id), str(run.message_id)
    return RunQueued(conversation_id=conversation_id, user_message_id=asked, message_id=answer)


def started(run: LiveRun) -> RunStarted:
    """Give the event of a run that begins."""
    return RunStarted(
        conversation_id=str(run.conversation_id),
        user_message_id=str(run.user_message_id),
        message_id=str(run.message_id),
        provider=run.provider,
        model=run.model,
    )
