"""Which wake-ups a process has."""

from app.secret import Secret
from app.wakeups.local import Wakeups


def wakeups_over(url: Secret | None, *, prefix: str) -> Wakeups:
    """Give what wakes readers, on other replicas too where there is a Valkey server; see `ValkeyWakeups`."""
    if url is None:
        return Wakeups()
    from app.wakeups.valkey import ValkeyWakeups  # noqa: PLC0415 - redis-py takes 7 MB, wanted only here

    return ValkeyWakeups(url, prefix=prefix)
