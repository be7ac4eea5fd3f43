"""Where in its conversation a new answer stands: after the newest message, or on a branch of its own."""

from dataclasses import dataclass
from uuid import UUID

from app.db.branch import ROOT
from app.db.messages import get_message, last_of_answer, question_of
from app.db.models import Message
from app.db.session import Session
from app.errors import InvalidInput, NotFound
from app.runs.send import SendMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the first of the new messages follows."""

    parent_seq: int | None = None
    """See `app.db.branch`."""
    question: UUID | None = None
    """The stored message that is answered anew."""


async def find_place(session: Session, send: SendMessage) -> Place:
    """Give it; raises `NotFound` for messages that are not in the caller's conversation and `InvalidInput`."""
    if send.answers_to is not None:
        asked = await _mine(session, send, send.answers_to)
        if asked.role != "user":
            # Another answer in place of one: to the question it belongs to.
            asked = await question_of(session, asked)
        if asked is None:
            text = "There is no question before this message."
            raise InvalidInput(text, action="Choose an answer or a question.", fields={"message_id": [text]})
        return Place(parent_seq=asked.seq, question=asked.id)
    if send.replaces is not None:
        replaced = await _mine(session, send, send.replaces)
        if replaced.role != "user":
            text = "Only a message of the user can be edited."
            raise InvalidInput(text, action="Choose one of those.", fields={"message_id": [text]})
        parent = replaced.parent_seq if replaced.parent_seq is not None else replaced.seq - 1
        return Place(parent_seq=max(ROOT, parent))
    if send.follows is not None:
        followed = await _mine(session, send, send.follows)
        # Whichever of its steps was named: a branch that begins between them would cut off calls from their results.
        last = await last_of_answer(session, followed)
        if followed.role == "user" or last.status in {"queued", "running"}:
            text = "A message can only follow an answer that has ended."
            raise InvalidInput(text, action="Choose such an answer.", fields={"parent_id": [text]})
        return Place(parent_seq=last.seq)
    return Place()


async def _mine(session: Session, send: SendMessage, message_id: UUID) -> Message:
    message = await get_message(session, user_id=send.user_id, message_id=message_id)
    if message.conversation_id != send.conversation_id:
        raise NotFound
    return message
