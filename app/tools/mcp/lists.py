"""The lists of tools that one server has given, each for one user and a short time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, final

from app.tools.tool import Tool

MAX_USERS: Final = 1_000


@final
class Lists:
    """Remembers the newest lists; one user's is never another one's."""

    def __init__(self, seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take how long a list is used again."""
        self._seconds = seconds
        self._monotonic = monotonic
        self._lists: OrderedDict[str, tuple[float, Sequence[Tool]]] = OrderedDict()

    def find(self, user_id: str) -> Sequence[Tool] | None:
        """Give a user's list, None where it is not known or too old."""
        known = self._lists.get(user_id)
        if known is not None and self._monotonic() - known[0] >= self._seconds:
            del self._lists[user_id]
            return None
        return None if known is None else known[1]

    def keep(self, user_id: str, tools: Sequence[Tool]) -> None:
        """Remember a user's list."""
        self._lists[user_id] = (self._monotonic(), tools)
        self._lists.move_to_end(user_id)
        while len(self._lists) > MAX_USERS:
            self._lists.popitem(last=False)
