"""The bounds of the tools of one run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """What the tools of one run may use at most; times in seconds."""

    rounds: int = 10
    """Model steps that call tools."""
    calls: int = 32
    """Calls of one step; the ones beyond are answered with an error."""
    at_once: int = 4
    """Calls of one step that are under way at the same time."""
    list_s: float = 10.0
    """How long a run waits for the lists of its tools; it begins without what has not come by then."""
    call_s: float = 30.0
    total_s: float = 600.0
    """All steps together; then the run ends with what it has."""
    wait_s: float = 600.0
    """How long a run waits for its caller: for the results of its tools, or for its approval."""
    approve_writes: bool = False
    """Whether each call that may change something waits for the caller's approval, also where it did not ask so."""
    argument_chars: int = 100_000
    """Of one call."""
    model_chars: int = 20_000
    """Of one result, as the model is told it."""
    shown_bytes: int = 1_000_000
    """Of one result, as it is stored and shown."""
