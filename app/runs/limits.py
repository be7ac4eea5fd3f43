"""The bounds of one run."""

from dataclasses import dataclass, field
from typing import Final

from app.runs.retry import RetryPolicy

STORE_S: Final = 5.0
"""One try to store the end of a run, and what a shutdown waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one run may use at most; times in seconds."""

    max_answer_chars: int = 2_000_000
    """Text, reasoning and tool arguments together: the journal lives in memory."""
    max_deltas: int = 200_000
    """Each delta costs its event's frame as well, however short its text is."""
    max_history_messages: int = 500
    max_history_chars: int = 2_000_000
    """What of a conversation is loaded for the model, the newest first: 2 million characters are about 500,000
    tokens, beyond what most models take, and without a bound every message would cost more than the one before."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    context_s: float = 2.0
    """How long an answer may wait for trip and preferences; it begins without what has not come by then."""
    begin_s: float = 30.0
    """How long the caller waits for the message to be stored."""
    close_s: float = 5.0
    """How long a model call may go on closing after its total deadline."""
    store_s: float = STORE_S
    store_pauses_s: tuple[float, ...] = (0.1, 0.5, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0)
    """Pauses between such tries while readers still wait for the terminal event."""
    backlog_s: float = 15.0
    """How long the end of a run waits for the database to have everything before it."""
    history_s: float = 15.0
    """How long an answer waits for a database that it cannot read the conversation from."""
    room_s: float = 30.0
    """How long an answer that is ahead of the storage waits for it."""
    stop_s: float = 5.0
    """How long a message that interrupts waits for the run before it to end."""
    stop_look_s: float = 0.05
    """How often it looks whether that has ended."""
    context_tokens: int | None = None
    """What a model is taken to read at most where neither its list nor its provider's table tells."""
    late_store_pauses_s: tuple[float, ...] = (5.0,) * 60
    """And after it: without a stored end the conversation would stay busy until the next start."""
