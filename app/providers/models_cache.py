"""Model lists, kept for a while: the UI asks for them at every page, and a provider counts such requests."""

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, final

from app.cache import CacheClosed, SharedCache
from app.errors import CredentialError, GatewayError, ProviderTimeout, ProviderUnreachable, ServerShutdown
from app.providers.model_info import ModelInfo, ModelList, ModelSource
from app.providers.models_list import fetch_models
from app.providers.provider import Provider
from app.providers.snapshot import SNAPSHOT, Snapshot
from app.providers.transport import Transport
from app.secret import Secret

KEEP_SECONDS: Final = 300.0
"""How long a list is believed: given without asking, and held against a model that is not in it."""
STALE_SECONDS: Final = 86_400.0
"""How long a list is given, with its age, while a newer one is fetched."""
KEEP_EMPTY_SECONDS: Final = 10.0
"""An empty list is a server that is still loading, or one whose first model is being fetched right now."""
KEEP_FAILURE_SECONDS: Final = 15.0
"""How long a list that failed is not asked for again; longer where the provider says when to come back."""
SHUTDOWN_RETRY_S: Final = 5.0
MAX_LISTS: Final = 256
"""The longest list in use is about 150 kB here."""
MAX_REFRESHES: Final = 8
"""Lists that are fetched at once while nobody waits for them."""
_REFRESH_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose list it is: the same provider may tell every key another one."""

    provider: str
    api_base: str
    key_digest: bytes
    """Empty where there is no key: everybody is told the same then."""
    own_key: bool
    """Apart, because errors about the operator's key tell a caller less than errors about their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a provider has told one key, as far as it is remembered."""

    listed: ModelList | None = None
    age_s: float = 0.0
    """Since the list was asked for."""
    failure: GatewayError | None = None
    """Why there is no newer one, where the last request failed."""
    failure_age_s: float = 0.0

    @property
    def fresh(self) -> bool:
        """Whether the list may be believed."""
        return self.listed is not None and self.age_s < KEEP_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a person chooses from."""

    models: dict[str, ModelInfo]
    """By id, sorted; what their source does not say comes from the snapshot."""
    source: Literal[ModelSource.LIVE, ModelSource.SNAPSHOT, ModelSource.CONFIGURED]
    age_s: float | None = None
    """Since a live list was asked for."""
    stale: bool = False
    failure: GatewayError | None = None
    """Why there is no newer one."""


@dataclass(frozen=True, slots=True)
class _Told:
    """The last list, the last failure after it, and when each was asked for."""

    listed: ModelList | None = None
    began: float = 0.0
    failure: GatewayError | None = None
    failed: float = 0.0


@final
class ModelsCache:
    """Asks providers for their models; all who ask at once with one key share one request. `close` it.

    Knows keys by a keyed digest only, which says nothing outside of this process.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        snapshot: Snapshot = SNAPSHOT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send through `transport`, which must be open as long as this is."""
        self.snapshot = snapshot
        self._transport = transport
        self._monotonic = monotonic
        self._pepper = secrets.token_bytes(32)
        self._answers = SharedCache[_Asked, ModelList | GatewayError](max_entries=MAX_LISTS, monotonic=monotonic)
        self._told: OrderedDict[_Asked, _Told] = OrderedDict()
        self._refreshes: dict[_Asked, asyncio.Task[None]] = {}

    async def list_models(
        self, provider: Provider, api_key: Secret | None, *, seconds: float, own_key: bool = True
    ) -> tuple[str, ...]:
        """Give the ids that `models_list.list_models` gave to this key within `KEEP_SECONDS`, else ask for them.

        Raises what that raises, for `KEEP_FAILURE_SECONDS` without asking again, and `ServerShutdown` after and
        during `close`.
        """
        asked = self._asked(provider, api_key, own_key=own_key)
        answer = await self._ask(asked, provider, api_key, seconds)
        if isinstance(answer, GatewayError):
            raise answer.with_traceback(None)  # it may be raised many times, and would hold every frame
        return answer.ids

    async def look(
        self, provider: Provider, api_key: Secret | None, *, seconds: float, own_key: bool = True
    ) -> Listing:
        """Give what a person chooses from: a fresh list, a stale one while a newer is fetched, or the snapshot.

        The snapshot stands in only where the provider cannot be reached. Raises what `list_models` raises.
        """
        if provider.models_list is None:
            rows = (ModelInfo(id=name, source=ModelSource.CONFIGURED) for name in sorted(provider.models))
            return Listing(
                models=self._with_facts(provider, {row.id: row for row in rows}), source=ModelSource.CONFIGURED
            )
        known = self.known(provider, api_key, own_key=own_key)
        if known.listed is not None and known.listed.models and not known.fresh:
            self.refresh(provider, api_key, own_key=own_key)
            return self._listing(provider, known.listed, known)
        answer = await self._ask(self._asked(provider, api_key, own_key=own_key), provider, api_key, seconds)
        if isinstance(answer, ModelList):
            return self._listing(provider, answer, self.known(provider, api_key, own_key=own_key))
        offered = self.snapshot.offered(provider.id)
        if offered and isinstance(answer, ProviderUnreachable | ProviderTimeout):
            return Listing(models=offered, source=ModelSource.SNAPSHOT, stale=True, failure=answer)
        raise answer.with_traceback(None)

    def known(self, provider: Provider, api_key: Secret | None, *, own_key: bool = True) -> Known:
        """Give what is remembered; asks nobody."""
        told = self._told.get(self._asked(provider, api_key, own_key=own_key), _Told())
        now = self._monotonic()
        kept = told.listed if now - told.began < STALE_SECONDS else None
        return Known(listed=kept, age_s=now - told.began, failure=told.failure, failure_age_s=now - told.failed)

    def refresh(
        self, provider: Provider, api_key: Secret | None, *, own_key: bool = True
    ) -> "asyncio.Task[None] | None":
        """Fetch a list in the background, unless one is fresh, has just failed, or too many are being fetched.

        Gives what can be waited for, without cancelling it; what comes of it is `known`. Raises nothing.
        """
        asked = self._asked(provider, api_key, own_key=own_key)
        running = self._refreshes.get(asked)
        if running is not None or len(self._refreshes) >= MAX_REFRESHES or provider.models_list is None:
            return running
        work = self._refreshed(asked, provider, api_key)
        task = self._refreshes[asked] = asyncio.create_task(work, name="refresh model list")
        task.add_done_callback(lambda _: self._refreshes.pop(asked, None))
        return task

    async def close(self) -> None:
        """End the requests under way; who waits for one gets `ServerShutdown`."""
        refreshes = list(self._refreshes.values())
        for task in refreshes:
            task.cancel()
        await asyncio.gather(*refreshes, return_exceptions=True)
        await self._answers.close()
        self._told.clear()

    async def _refreshed(self, asked: _Asked, provider: Provider, api_key: Secret | None) -> None:
        try:
            await self._ask(asked, provider, api_key, _REFRESH_S)
        except ServerShutdown:
            return

    async def _ask(
        self, asked: _Asked, provider: Provider, api_key: Secret | None, seconds: float
    ) -> ModelList | GatewayError:
        async def load() -> ModelList | GatewayError:
            began = self._monotonic()
            answer: ModelList | GatewayError
            try:
                answer = await fetch_models(self._transport, provider, api_key, seconds=seconds, own_key=asked.own_key)
            except GatewayError as error:
                answer = _without_frames(error)
            self._remember(asked, answer, began)
            return answer

        try:
            return await self._answers.get(asked, load, _keep_seconds)
        except CacheClosed:
            raise ServerShutdown(retry_after_s=SHUTDOWN_RETRY_S) from None

    def _remember(self, asked: _Asked, answer: ModelList | GatewayError, began: float) -> None:
        before = self._told.pop(asked, _Told())
        if isinstance(answer, ModelList):
            now = _Told(answer, began)
        elif isinstance(answer, CredentialError):
            now = _Told(failure=answer, failed=began)  # the key is no longer good for the list that it was given
        else:
            now = replace(before, failure=answer, failed=began)
        self._told[asked] = now
        while len(self._told) > MAX_LISTS:
            self._told.popitem(last=False)

    def _listing(self, provider: Provider, listed: ModelList, known: Known) -> Listing:
        return Listing(
            models=self._with_facts(provider, listed.models),
            source=ModelSource.LIVE,
            age_s=known.age_s if known.listed is listed else 0.0,
            stale=known.listed is listed and not known.fresh,
            failure=known.failure,
        )

    def _with_facts(self, provider: Provider, models: Mapping[str, ModelInfo]) -> dict[str, ModelInfo]:
        return {name: info.over(self.snapshot.find(provider.id, name)) for name, info in models.items()}

    def _asked(self, provider: Provider, api_key: Secret | None, *, own_key: bool) -> _Asked:
        if api_key is None:
            return _Asked(provider.id, provider.api_base, b"", own_key=False)
        digest = hashlib.blake2b(api_key.reveal().encode(), key=self._pepper).digest()
        return _Asked(provider.id, provider.api_base, digest, own_key)


def _keep_seconds(answer: ModelList | GatewayError) -> float:
    if isinstance(answer, GatewayError):
        return min(max(KEEP_FAILURE_SECONDS, answer.retry_after_s or 0.0), KEEP_SECONDS)
    return KEEP_SECONDS if answer.models else KEEP_EMPTY_SECONDS


def _without_frames(error: GatewayError) -> GatewayError:
    """Give an error that is kept without what led to it: those frames hold the key."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
