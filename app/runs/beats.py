"""Which processes have given no sign of life for too long, as far as this one can tell."""

from collections.abc import Mapping
from typing import final


@final
class Beats:
    """The beats of other processes, and for how long each has been what it is.

    Counted on this machine's monotonic clock, so no two clocks have to agree. Of a time in which this process did not
    look, as it was itself paused, no more than half a lease counts: the others get the other half to be heard.
    """

    def __init__(self, lease_s: float) -> None:
        """Take how long a beat may stand still."""
        self._lease_s = lease_s
        self._known: dict[str, tuple[int, float]] = {}
        """The beat, and for how many seconds it has been that."""
        self._looked = 0.0

    def look(self, beats: Mapping[str, int], now: float) -> dict[str, int]:
        """Take the beats of the others at the time `now` and give those that have stood still for a lease."""
        passed = min(now - self._looked, self._lease_s / 2)
        self._looked = now
        still = {one: seconds + passed for one, (beat, seconds) in self._known.items() if beats.get(one) == beat}
        self._known = {one: (beat, still.get(one, 0.0)) for one, beat in beats.items()}
        return {one: beat for one, (beat, seconds) in self._known.items() if seconds >= self._lease_s}

    def forget(self) -> None:
        """Begin anew: nobody can be heard while the database is away."""
        self._known.clear()
