"""What one load measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The middle and the slow end of many times, in milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Sort and choose; 0 where there are none."""
        ordered = sorted(seconds) or [0.0]
        return cls(p50=_at(ordered, 0.5), p99=_at(ordered, 0.99))

    def beyond(self, other: "Spread") -> "Spread":
        """Give what this one has more than `other`."""
        return Spread(p50=self.p50 - other.p50, p99=self.p99 - other.p99)


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One load against one server; where nothing else is said, inside the steady window."""

    errors: dict[str, int]
    """Of the whole load: what went wrong, and how often."""
    refusals: int
    """Answers that said to come back later, which is no error where there is a cap."""
    refused_after: Spread
    """From the written request to the whole refusal."""
    streams: int
    """Whole answers of the whole load."""
    chunks: int
    """Tokens of the whole load."""
    begin: float
    """The window, on the monotonic clock."""
    end: float
    delivered: int
    """Tokens that arrived."""
    offered: int
    """Tokens that streams without any pause between them would have brought."""
    first_token: Spread
    """From the written request."""
    transit: Spread
    """From the upstream's write to the read of the same chunk."""
    server_cores: float
    """CPU seconds of the server per second."""
    server_us_per_chunk: float
    server_mib: float
    load_cores: float
    """Near 1 the load generator is what limits."""
    other_cores: float
    """What the rest of the machine, the upstream aside, used meanwhile: the noise."""

    @classmethod
    def read(cls, printed: dict[str, Any]) -> Self:
        """Read what the load generator printed."""
        fields = dict(printed)
        for name in ("first_token", "transit", "refused_after"):
            fields[name] = Spread(**fields[name])
        return cls(**fields)

    @property
    def delivered_share(self) -> float:
        """How much of the offered load arrived."""
        return self.delivered / max(1, self.offered)
