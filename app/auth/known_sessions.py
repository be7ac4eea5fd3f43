"""Which sessions were somebody's not long ago: what nobody can make up."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, final

KNOWN_S: Final = 3600.0
MAX_KNOWN: Final = 10_000


@final
class KnownSessions:
    """The digests of sessions, each for `KNOWN_S` after Voyage last named its user; the oldest make room."""

    def __init__(self, *, monotonic: Callable[[], float], max_entries: int = MAX_KNOWN) -> None:
        """Know nobody."""
        self._monotonic = monotonic
        self._max_entries = max_entries
        self._named: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        """Say whether it was somebody's not long ago."""
        named = self._named.get(digest)
        return named is not None and self._monotonic() - named < KNOWN_S

    def note(self, digest: bytes, *, good: bool) -> None:
        """Take what Voyage says now: it is somebody's, or nobody's any more."""
        self._named.pop(digest, None)
        if good:
            self._named[digest] = self._monotonic()
        if len(self._named) > self._max_entries:
            self._named.popitem(last=False)
