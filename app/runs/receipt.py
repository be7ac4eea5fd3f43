"""What the notes of a run's model calls say: who was asked last, and how long the gateway itself took."""

from collections.abc import Sequence
from typing import Any, Final

_ROUTE: Final = ("provider", "model", "lane", "wire", "origin")


def last_call(attempts: Sequence[Any] | None) -> dict[str, Any] | None:
    """Give where the last call went; None where none is noted, or by a version that noted less."""
    if not attempts or "provider" not in attempts[-1]:
        return None
    last: dict[str, Any] = attempts[-1]
    return {name: last.get(name) for name in _ROUTE} | {"adaptations": last.get("adaptations", [])}


def overhead_ms(attempts: Sequence[Any] | None, latency_ms: int | None) -> int | None:
    """Give what of the whole time was the gateway's: not waited for a provider, not paused before another call.

    None where the run has not ended, or the waiting of some call was not measured.
    """
    if not attempts or latency_ms is None:
        return None
    waited = [attempt.get("waited_ms") for attempt in attempts]
    if any(part is None for part in waited):
        return None
    return max(0, latency_ms - sum(waited) - sum(attempt.get("paused_ms") or 0 for attempt in attempts))
