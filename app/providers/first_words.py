"""Who waits for a first word that this process has in hand; for as long, streams that run already are read a bit later.

What a message waits for in a busy process is mostly others' work: each step towards its first word stands in the loop
behind whatever their streams have brought. Theirs can wait a moment; nobody sees it in a text that flows.
"""

from collections.abc import Hashable
from typing import final


@final
class FirstWords:
    """What this process has to do before somebody sees a first word.

    The time that a provider takes does not count: nobody is helped by waiting for it.
    """

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._expected: set[Hashable] = set()

    @property
    def expected(self) -> bool:
        """Whether anybody waits."""
        return bool(self._expected)

    def expect(self, work: Hashable) -> None:
        """Take note of work that is to be done here; once more changes nothing."""
        self._expected.add(work)

    def passed_on(self, work: Hashable) -> None:
        """Take note that it is done; once more changes nothing."""
        self._expected.discard(work)
