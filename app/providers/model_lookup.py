"""What the lists that are known already say about the model of a route; nothing here waits for a list before a call."""

import asyncio
from typing import Final, final

import structlog

from app.errors import ModelNotFound, Origin, Phase
from app.providers import naming
from app.providers.catalog import CATALOG
from app.providers.model_info import ModelInfo, ModelStatus
from app.providers.models_cache import KEEP_SECONDS, Known, ModelsCache
from app.providers.provider import Provider, Route
from app.providers.unlisted import is_unlisted, similar
from app.secret import Secret

ADVICE_S: Final = 2.0
"""How long the news that a model does not exist waits for a list to name others from."""
_log = structlog.stdlib.get_logger(__name__)


@final
class ModelLookup:
    """Answers about one route and the key that its call uses; never from the list of another key."""

    def __init__(self, cache: ModelsCache, *, advice_s: float = ADVICE_S) -> None:
        """Look into `cache`, which its owner closes."""
        self._cache = cache
        self._advice_s = advice_s

    def check(self, route: Route, api_key: Secret | None, *, own_key: bool, operators: str | None = None) -> None:
        """Raise `ModelNotFound`, with suggestions, where the list of this key rules the model out.

        Only a list that names all that its provider serves (`Provider.lists_all`), is whole, not empty and younger
        than `KEEP_SECONDS` is believed; any other leads to a line in the log. What the operator has named, `operators`
        or the default model of their file, is tried whatever a list says.
        """
        provider, model = route.provider, route.model
        if provider.models_list is None or not provider.lists_all or is_operators(provider, model, operators):
            return
        known = self._cache.known(provider, api_key, own_key=own_key)
        doubt = _doubt(known)
        if known.listed is None or not known.listed.models:
            unsure = not self._is_shipped(provider, model)
        else:
            unsure = is_unlisted(provider, known.listed, model)
        if not unsure:
            return
        if doubt is not None:
            _log.warning("model_not_checked", provider=provider.id, model=model, reason=doubt)
            return
        origin = Origin(provider=provider.id, label=provider.label, model=model)
        raise advised(ModelNotFound(origin=origin, phase=Phase.REQUEST), self._suggestions(known, model))

    def window(self, route: Route, api_key: Secret | None, *, own_key: bool) -> int | None:
        """Give how many tokens the model reads, from this key's list, however old, else from the snapshot."""
        known = self._told(route, api_key, own_key=own_key)
        return known.context_tokens if known is not None else None

    def takes_tools(self, route: Route, api_key: Secret | None, *, own_key: bool) -> bool:
        """Tell whether a model may be offered tools: not where a list says that it cannot call any."""
        known = self._told(route, api_key, own_key=own_key)
        return known is None or known.takes_tools

    def _told(self, route: Route, api_key: Secret | None, *, own_key: bool) -> ModelInfo | None:
        listed = self._cache.known(route.provider, api_key, own_key=own_key).listed
        info = listed.models.get(route.model) if listed is not None else None
        fact = self._cache.snapshot.find(route.provider.id, route.model)
        return info.over(fact) if info is not None else fact

    def prepare(self, route: Route, api_key: Secret | None, *, own_key: bool) -> None:
        """Fetch the list in the background where nothing says that the model exists, for the next time."""
        provider = route.provider
        known = self._cache.known(provider, api_key, own_key=own_key)
        if known.listed is None:
            wanted = not self._is_shipped(provider, route.model)
        else:
            wanted = not known.fresh and route.model not in known.listed.models
        # A list that keeps failing is asked for at people's wish only.
        if wanted and (known.failure is None or known.failure_age_s >= KEEP_SECONDS):
            self._cache.refresh(provider, api_key, own_key=own_key)

    async def advise(self, error: ModelNotFound, route: Route, api_key: Secret | None, *, own_key: bool) -> None:
        """Write into the provider's own error which models of this key's list may have been meant.

        A list that is not fresh is fetched, and waited for at most `ADVICE_S`; without one the error stays as it is.
        """
        known = self._cache.known(route.provider, api_key, own_key=own_key)
        if not known.fresh:
            task = self._cache.refresh(route.provider, api_key, own_key=own_key)
            if task is not None:
                await asyncio.wait({task}, timeout=self._advice_s)
            known = self._cache.known(route.provider, api_key, own_key=own_key)
        advised(error, self._suggestions(known, route.model))

    def _is_shipped(self, provider: Provider, model: str) -> bool:
        """Tell whether the gateway itself says that the model exists: as a default model, or in the snapshot."""
        if provider.default_model and naming.own_id(provider, provider.default_model) == model:
            return True
        fact = self._cache.snapshot.find(provider.id, model)
        return fact is not None and fact.status is not ModelStatus.RETIRED

    @staticmethod
    def _suggestions(known: Known, model: str) -> tuple[str, ...]:
        return similar(known.listed.models.values(), model) if known.listed is not None else ()


def advised(error: ModelNotFound, suggestions: tuple[str, ...]) -> ModelNotFound:
    """Give the error with the suggestions in its words and in `did_you_mean`."""
    if suggestions:
        *first, last = suggestions
        named = f"{', '.join(first)} or {last}" if first else last
        error.action = f"Try {named}, or choose another one from the list."
        error.did_you_mean = suggestions
    return error


def is_operators(provider: Provider, model: str, operators: str | None) -> bool:
    """Tell whether the operator has named the model: they may know an id that no list has."""
    named = {operators} if operators else set[str]()
    shipped = next((row.default_model for row in CATALOG if row.id == provider.id), None)
    if provider.default_model and provider.default_model != shipped:
        named.add(provider.default_model)
    return any(naming.own_id(provider, name) == model for name in named)


def _doubt(known: Known) -> str | None:
    """Give why the list cannot be held against a model."""
    if known.listed is None:
        return "failed" if known.failure is not None else "missing"
    if not known.listed.models:
        return "empty"
    if not known.fresh:
        return "failed" if known.failure is not None else "stale"
    return None if known.listed.whole else "cut"
