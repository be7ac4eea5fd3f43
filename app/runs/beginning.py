"""How a run begins: what is stored of it, and its first event."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from app.db import runs
from app.db.models import Run
from app.events import Event, RunQueued, RunStarted, RunStatus
from app.providers.model import ToolSpec
from app.runs.attempt import new_attempt
from app.runs.clock import Clock
from app.runs.live import LiveRun
from app.runs.plan import Plan
from app.runs.prompt import TripNotes
from app.runs.send import OnConflict, SendMessage
from app.secret import Secret


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
        asked=asked_of(send) if send.may_wait else None,
    )


def asked_of(send: SendMessage) -> dict[str, Any]:
    """Give what another process needs to go on with a run; no secret is among it."""
    notes = {name: str(value) for name, value in asdict(send.notes).items() if value is not None}
    waits = {"awaits_tools": send.awaits_tools, "approves_writes": send.approves_writes}
    return {"tools": [asdict(tool) for tool in send.tools], "notes": notes, **waits}


def send_of(run: Run, *, session: Secret | None, request_id: str | None) -> SendMessage:
    """Give what a stored run was asked for, to go on with it."""
    asked: dict[str, Any] = run.asked or {}
    notes: dict[str, Any] = dict(asked.get("notes", {}))
    trip = notes.pop("collection_id", None)
    return SendMessage(
        user_id=run.user_id,
        conversation_id=run.conversation_id,
        text=None,
        session=session,
        notes=TripNotes(**notes, collection_id=UUID(trip) if trip else None),
        provider=run.provider,
        model=run.model,
        tools=tuple(ToolSpec(**tool) for tool in asked.get("tools", ())),
        awaits_tools=bool(asked.get("awaits_tools", True)),
        approves_writes=bool(asked.get("approves_writes", False)),
        request_id=request_id,
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
