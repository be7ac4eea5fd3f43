"""What the model is asked: the system prompt, as much of the conversation as it can read, and the tools."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.db import messages, prompts
from app.db.branch import ROOT
from app.db.models import Message
from app.db.session import Database, Session
from app.errors import ContextLengthExceeded, Phase, StorageUnavailable
from app.providers.model import ChatMessage, ModelRequest, ToolSpec
from app.runs.answer import origin_of
from app.runs.context import gather
from app.runs.estimate import message_tokens, tool_tokens
from app.runs.history import to_chat_messages
from app.runs.limits import RunLimits
from app.runs.plan import Plan
from app.runs.prompt import BUILT_IN_PROMPT, compose
from app.runs.send import SendMessage
from app.voyage.client import VoyageClient

FILLED: Final = 0.9
"""How much of a context window is used by estimate: the estimate may be too low, and the answer needs room."""

AGAIN_S: Final = 0.2
"""Between two tries to read the conversation."""


@dataclass(frozen=True, slots=True)
class History:
    """What is stored of a conversation, and of what the operator says to its models."""

    messages: Sequence[Message]
    """The newest of the branch."""
    not_loaded: int
    """How many there are before them."""
    base: str
    """The operator's system prompt."""


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that a model could be sent, whichever it is."""

    whole: Sequence[ChatMessage]
    """The system prompt, then the conversation."""
    not_loaded: int
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | None = None


async def make_script(  # noqa: PLR0913 - everything that the model is told comes together here
    voyage: VoyageClient | None,
    limits: RunLimits,
    send: SendMessage,
    history: History,
    tools: tuple[ToolSpec, ...] = (),
    *,
    result_chars: int | None = None,
) -> Script:
    """Write it, with what Voyage knows about the trip and the person, and `tools` beside the caller's own.

    The results of earlier calls are cut to `result_chars`.
    """
    offered = (*send.tools, *tools)
    trip, preferences = await gather(voyage, send.session, send.notes.collection_id, seconds=limits.context_s)
    system = compose(history.base, send.notes, trip=trip, preferences=preferences, tools=bool(offered))
    whole = to_chat_messages(history.messages, system, result_chars=result_chars)
    return Script(whole, history.not_loaded, offered, send.tool_choice)


def make_request(limits: RunLimits, send: SendMessage, plan: Plan, script: Script) -> tuple[ModelRequest, int]:
    """Give the request for the answer, and how many messages of the history were left out.

    Raises `ContextLengthExceeded` where not even the last turn fits into what the operator has said that the model
    reads; where only its list says so, the provider is asked with that turn alone, and knows better.
    """
    whole = script.whole
    operators = plan.route.provider.context_tokens
    tools = sum(map(tool_tokens, script.tools))
    fitting = fit(whole, operators or plan.window or limits.context_tokens, tools=tools)
    if fitting is None and plan.window and not operators:
        fitting = last_turn(whole)  # a window that only a list tells is compared with a rough estimate
    if fitting is None:
        raise ContextLengthExceeded(origin=origin_of(plan.route), phase=Phase.REQUEST)
    request = ModelRequest(
        route=plan.route,
        api_key=plan.key.secret,
        own_key=plan.key.own,
        messages=fitting,
        tools=script.tools,
        tool_choice=script.tool_choice,
        deadlines=plan.route.provider.deadlines,
        session_id=str(send.conversation_id),
    )
    return request, script.not_loaded + len(whole) - len(fitting)


async def wait_for_history(database: Database, limits: RunLimits, send: SendMessage, message_id: UUID) -> History:
    """Read it for a message that is stored and acknowledged: a database that is away for a moment does not fail it.

    `message_id` is the answer's, which may stand elsewhere by now: what it waited for may have said more.
    """
    loop = asyncio.get_running_loop()
    patience_ends = loop.time() + limits.history_s
    while True:
        try:
            async with database.read() as session:
                answer = await messages.get_message(session, user_id=send.user_id, message_id=message_id)
                return await read_history(session, limits, send, answer.seq)
        except StorageUnavailable:
            if loop.time() >= patience_ends:
                raise
            await asyncio.sleep(AGAIN_S)


async def read_history(session: Session, limits: RunLimits, send: SendMessage, leaf: int) -> History:
    """Give the newest messages of the branch that ends in `leaf`, as many as are sent at most."""
    stored = await messages.list_newest_messages(
        session,
        user_id=send.user_id,
        conversation_id=send.conversation_id,
        leaf=leaf,
        max_messages=limits.max_history_messages,
        max_chars=limits.max_history_chars,
    )
    not_loaded = 0
    if stored and stored[0].seq > ROOT + 1:
        not_loaded = await messages.count_before(
            session, conversation_id=send.conversation_id, leaf=leaf, seq=stored[0].seq
        )
    return History(stored, not_loaded, await prompts.find_prompt(session) or BUILT_IN_PROMPT)


def fit(whole: Sequence[ChatMessage], window: int | None, *, tools: int = 0) -> tuple[ChatMessage, ...] | None:
    """Leave out the oldest turns, each with its tool calls and their results, until the rest fits into `window` tokens.

    The system prompt and the last turn stay; None where they, with `tools` tokens of tools, are too long. All of it
    where no window is known.
    """
    if window is None:
        return tuple(whole)
    system, rest = whole[:1], whole[1:]
    budget = window * FILLED - sum(map(message_tokens, system)) - tools
    sizes = [message_tokens(message) for message in rest]
    begins = [at for at, message in enumerate(rest) if message.role == "user"]
    for at in begins:
        if sum(sizes[at:]) <= budget:
            return (*system, *rest[at:])
    return None if begins or sum(sizes) > budget else tuple(whole)


def last_turn(whole: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Give the system prompt and the last turn."""
    last = max((at for at, message in enumerate(whole) if message.role == "user"), default=1)
    return (*whole[:1], *whole[max(1, last) :])
