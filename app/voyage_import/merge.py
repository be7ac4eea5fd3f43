"""Voyage's conversations against what is here: which rows to add, and what to say about each."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from app.db.imports import OVERTAKEN, ConversationHere, ConversationsHere, Mark
from app.db.voyage_tables import MessageOutline, VoyageConversation, VoyageMessage
from app.voyage_import.decision import DELETED_HERE, FOREIGN_ID, Decision
from app.voyage_import.message import read_message
from app.voyage_import.report import Kind, Outcome

TAKEN_ID: Final = "its id belongs to another message here"
FOREIGN_CONVERSATION: Final = "its conversation's id belongs to another user here"
CONTINUED_HERE: Final = "continued here too, so Voyage's new messages follow those"
UNFINISHED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The version of a conversation of which some messages are stored and others not yet; no row of Voyage's is as old."""
TITLE_CHARS: Final = 255
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A conversation and some of its messages, in order; all of them, where it is the first part and the last."""

    conversation: VoyageConversation
    outlines: Sequence[MessageOutline]
    last: bool


def missing_messages(parts: Sequence[Part], here: ConversationsHere) -> set[UUID]:
    """Give the ids of the messages whose text is needed."""
    wanted = (part for part in parts if not _refusal(part.conversation, here))
    return {outline.id for part in wanted for outline in part.outlines if outline.id not in here.homes}


def cut(parts: Sequence[Part], needed: AbstractSet[UUID], max_bytes: int) -> Iterator[list[Part]]:
    """Give the same messages in the same order, in pieces whose needed ones have at most `max_bytes` together."""
    piece: list[Part] = []
    size = 0
    for part in parts:
        begin = 0
        for place, outline in enumerate(part.outlines):
            cost = outline.size if outline.id in needed else 0
            if size and size + cost > max_bytes:
                if place > begin:
                    piece.append(replace(part, outlines=part.outlines[begin:place], last=False))
                yield piece
                piece, size, begin = [], 0, place
            size += cost
        piece.append(replace(part, outlines=part.outlines[begin:]))
    if piece:
        yield piece


def decide(parts: Sequence[Part], here: ConversationsHere, messages: Mapping[UUID, VoyageMessage]) -> Decision:
    """Compare with what is here; `messages` has at least those that are missing."""
    decision = Decision()
    for part in parts:
        refusal = _refusal(part.conversation, here)
        if refusal:
            _leave_out(decision, part, refusal)
        else:
            _merge(decision, part, here, messages)
    return decision


def _refusal(conversation: VoyageConversation, here: ConversationsHere) -> str:
    row = here.rows.get(conversation.id)
    if row is None:
        return DELETED_HERE if str(conversation.id) in here.marks else ""
    return "" if row.user_id == str(conversation.user_id) else FOREIGN_ID


def _leave_out(decision: Decision, part: Part, reason: str) -> None:
    if part.last:
        decision.say(Kind.CONVERSATIONS, Outcome.SKIPPED, part.conversation.id, reason)
    of_message = FOREIGN_CONVERSATION if reason == FOREIGN_ID else reason
    for outline in part.outlines:
        decision.say(Kind.MESSAGES, Outcome.SKIPPED, outline.id, of_message)


def _merge(decision: Decision, part: Part, here: ConversationsHere, messages: Mapping[UUID, VoyageMessage]) -> None:
    conversation, row = part.conversation, here.rows.get(part.conversation.id)
    mark = here.marks.get(str(conversation.id))
    first = row.next_seq if row is not None else 1
    added = _add_messages(decision, part, here, messages, first)
    if not added and part.last and mark == conversation.updated_at:
        decision.say(Kind.CONVERSATIONS, Outcome.UNCHANGED, conversation.id)
        return
    if not added and not part.last and row is not None:
        return
    if row is None:
        decision.rows.new.append(_new(conversation, first + added))
    else:
        decision.rows.changed.append(_changed(conversation, row, mark, first + added))
    version = conversation.updated_at if part.last else UNFINISHED
    decision.rows.marks.append(Mark(source_id=str(conversation.id), version=version, row_id=conversation.id))
    if part.last:
        both = row is not None and row.has_runs and (added or mark == UNFINISHED)
        decision.say(Kind.CONVERSATIONS, Outcome.IMPORTED, conversation.id, CONTINUED_HERE if both else "")


def _add_messages(
    decision: Decision,
    part: Part,
    here: ConversationsHere,
    messages: Mapping[UUID, VoyageMessage],
    seq: int,
) -> int:
    """Add what is missing from `seq` on and give its number."""
    first = seq
    for outline in part.outlines:
        home = here.homes.get(outline.id)
        if home is not None:
            outcome = Outcome.UNCHANGED if home == part.conversation.id else Outcome.SKIPPED
            decision.say(Kind.MESSAGES, outcome, outline.id, "" if outcome is Outcome.UNCHANGED else TAKEN_ID)
            continue
        message = messages.get(outline.id)
        if message is None:
            # It was here, or not wanted here, a moment ago; the next run sees the same as this one would now.
            decision.say(Kind.MESSAGES, Outcome.SKIPPED, outline.id, OVERTAKEN)
            continue
        row, remark = read_message(message)
        decision.say(Kind.MESSAGES, Outcome.IMPORTED if row else Outcome.UNREADABLE, outline.id, remark)
        if row is not None:
            decision.rows.messages.append(row | {"conversation_id": part.conversation.id, "seq": seq})
            seq += 1
    return seq - first


def _new(conversation: VoyageConversation, next_seq: int) -> dict[str, object]:
    return {
        "id": conversation.id,
        "user_id": str(conversation.user_id),
        "title": conversation.title[:TITLE_CHARS],
        "next_seq": next_seq,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
    }


def _changed(
    conversation: VoyageConversation, row: ConversationHere, mark: datetime | None, next_seq: int
) -> dict[str, object]:
    """Give the conversation as it becomes: what was done here stays, and shows also the next time."""
    since = conversation.updated_at if mark == UNFINISHED else mark
    touched = since is None or row.updated_at > since
    updated_at = max(row.updated_at, conversation.updated_at + _TICK) if touched else conversation.updated_at
    title = row.title if touched and row.title.strip() else conversation.title[:TITLE_CHARS]
    return {"id": conversation.id, "title": title, "next_seq": next_seq, "updated_at": updated_at}
