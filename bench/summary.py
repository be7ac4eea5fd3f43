"""All rounds in one: the gateway as ratios to, and differences from, the same load without it."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from bench.figures import Figures, Spread
from bench.rounds import Round


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The median of the rounds; times in milliseconds."""

    delivered_percent: float
    """Of what arrived without the gateway in the same round."""
    added_first_token: Spread
    added_transit: Spread
    us_per_chunk: float
    times_direct: float
    """CPU for each chunk, compared with what the bare upstream takes to write it."""
    times_bare: float | None
    """And with what a simple durable relay takes; None where that was not measured."""
    bare_first_token: Spread | None
    """What that adds, as `added_first_token` is what the gateway does."""
    loop_lag: Spread
    transit: Spread
    """Of the gateway alone."""
    refusals: int
    """Of all rounds."""
    refused_after: Spread
    mib: float
    sync_ms: float
    """Of the folder that the SQLite files are in."""
    whole: bool
    """Whether every stream of every round came whole: figures of broken streams mean nothing."""

    @classmethod
    def of(cls, rounds: Sequence[Round], *, sync_ms: float) -> Self:
        """Compare each round with itself, then take the median."""

        def middle(figure: Callable[[Round], float]) -> float:
            return statistics.median(map(figure, rounds))

        def spread(figure: Callable[[Round], Spread]) -> Spread:
            return _middle([figure(each) for each in rounds]) or Spread.of(())

        bare = [(each.bare, each) for each in rounds if each.bare is not None]
        return cls(
            delivered_percent=middle(
                lambda each: 100 * each.gateway.delivered_share / max(each.direct.delivered_share, 1e-9)
            ),
            added_first_token=spread(lambda each: each.gateway.first_token.beyond(each.direct.first_token)),
            added_transit=spread(lambda each: each.gateway.transit.beyond(each.direct.transit)),
            us_per_chunk=middle(lambda each: each.gateway.server_us_per_chunk),
            times_direct=middle(lambda each: _times(each.gateway, each.direct)),
            times_bare=statistics.median(_times(each.gateway, side) for side, each in bare) if bare else None,
            bare_first_token=_middle([side.first_token.beyond(each.direct.first_token) for side, each in bare]),
            loop_lag=spread(lambda each: each.lag),
            transit=spread(lambda each: each.gateway.transit),
            refusals=sum(each.gateway.refusals for each in rounds),
            refused_after=spread(lambda each: each.gateway.refused_after),
            mib=middle(lambda each: each.gateway.server_mib),
            sync_ms=sync_ms,
            whole=all(side.streams and not side.errors for each in rounds for side in each.sides.values()),
        )


def _times(gateway: Figures, other: Figures) -> float:
    """Compare the CPU for a chunk."""
    return gateway.server_us_per_chunk / max(other.server_us_per_chunk, 1e-9)


def _middle(spreads: Sequence[Spread]) -> Spread | None:
    if not spreads:
        return None
    return Spread(p50=statistics.median(one.p50 for one in spreads), p99=statistics.median(one.p99 for one in spreads))
