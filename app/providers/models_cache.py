"""Model lists, kept for a while: the UI asks for them at every page, and a provider counts such requests."""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from app.cache import CacheClosed, SharedCache
from app.errors import ServerShutdown
from app.providers.models_list import list_models
from app.providers.provider import Provider
from app.providers.transport import Transport
from app.secret import Secret

KEEP_SECONDS: Final = 300.0
KEEP_EMPTY_SECONDS: Final = 10.0
"""An empty list is a server that is still loading, or one whose first model is being fetched right now."""
SHUTDOWN_RETRY_S: Final = 5.0
MAX_LISTS: Final = 256
"""The longest list in use is about 40 kB."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose list it is: the same provider may tell every key another one."""

    provider: str
    api_base: str
    key_digest: bytes
    """Empty where there is no key: everybody is told the same then."""
    own_key: bool
    """Apart, because errors about the operator's key tell a caller less than errors about their own."""


@final
class ModelsCache:
    """Asks providers for their models; two who ask at once with one key share one request. `close` it.

    Knows keys by a keyed digest only, which says nothing outside of this process.
    """

    def __init__(self, transport: Transport, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Send through `transport`, which must be open as long as this is."""
        self._transport = transport
        self._pepper = secrets.token_bytes(32)
        self._lists = SharedCache[_Asked, tuple[str, ...]](max_entries=MAX_LISTS, monotonic=monotonic)

    async def list_models(
        self, provider: Provider, api_key: Secret | None, *, seconds: float, own_key: bool = True
    ) -> tuple[str, ...]:
        """Give what `models_list.list_models` gave to this key within `KEEP_SECONDS`, else ask for it.

        Raises what that raises, and `ServerShutdown` after and during `close`; a failure is not kept.
        """

        async def load() -> tuple[str, ...]:
            return await list_models(self._transport, provider, api_key, seconds=seconds, own_key=own_key)

        try:
            return await self._lists.get(self._asked(provider, api_key, own_key=own_key), load, _keep_seconds)
        except CacheClosed:
            raise ServerShutdown(retry_after_s=SHUTDOWN_RETRY_S) from None

    async def close(self) -> None:
        """End the requests under way; who waits for one gets `ServerShutdown`."""
        await self._lists.close()

    def _asked(self, provider: Provider, api_key: Secret | None, *, own_key: bool) -> _Asked:
        digest = b""
        if api_key is not None:
            digest = hashlib.blake2b(api_key.reveal().encode(), key=self._pepper).digest()
        return _Asked(provider.id, provider.api_base, digest, own_key)


def _keep_seconds(models: Sequence[str]) -> float:
    return KEEP_SECONDS if models else KEEP_EMPTY_SECONDS
