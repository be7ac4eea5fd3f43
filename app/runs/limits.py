"""The bounds of one run."""

from dataclasses import dataclass, field

from app.runs.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one run may use at most; times in seconds."""

    max_answer_chars: int = 2_000_000
    """Text, reasoning and tool arguments together: the journal lives in memory."""
    max_deltas: int = 200_000
    """Each delta costs its event's frame as well, however short its text is."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    begin_s: float = 15.0
    """How long the caller waits for the message to be stored."""
    close_s: float = 5.0
    """How long a model call may go on closing after its total deadline."""
    store_s: float = 10.0
    """One try to store the end of a run."""
    store_pauses_s: tuple[float, ...] = (0.1, 0.5, 2.0)
    """Pauses between such tries while readers still wait for the terminal event."""
    late_store_pauses_s: tuple[float, ...] = (5.0,) * 60
    """And after it: without a stored end the conversation would stay busy until the next start."""
