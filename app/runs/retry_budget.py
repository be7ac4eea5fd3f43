"""How many further calls a provider may be sent because of failures: a share of all, so that an outage is not fed."""

from collections import OrderedDict
from typing import Final, final

from app.providers.target import Target

SHARE: Final = 0.1
"""What each message adds: with every call failing, there are 1.1 calls for each message."""
RESERVE: Final = 10.0
"""What there is at first and at most: a few messages are always tried again."""
MAX_TARGETS: Final = 1_000


@final
class RetryBudget:
    """The retries of this process, for each target apart; one that has its whole reserve is not remembered."""

    def __init__(self, *, share: float = SHARE, reserve: float = RESERVE, max_targets: int = MAX_TARGETS) -> None:
        """Begin with the whole reserve for each."""
        self._share = share
        self._reserve = reserve
        self._max = max_targets
        self._left: OrderedDict[Target, float] = OrderedDict()

    def __len__(self) -> int:
        """Count the targets whose reserve is not whole."""
        return len(self._left)

    def earn(self, target: Target) -> None:
        """Note a message that goes to `target`."""
        left = self._left.get(target)
        if left is None:
            return
        if left + self._share >= self._reserve:
            del self._left[target]
        else:
            self._left[target] = left + self._share

    def spend(self, target: Target) -> bool:
        """Take one retry; False where there is none left."""
        left = self._left.get(target, self._reserve)
        if left < 1.0:
            return False
        while target not in self._left and len(self._left) >= self._max:
            self._left.popitem(last=False)
        self._left[target] = left - 1.0
        self._left.move_to_end(target)
        return True
