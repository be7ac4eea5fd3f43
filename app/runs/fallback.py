"""Where a message goes when its own provider has failed: down the list that its user has saved, each entry once.

See `docs/decisions/0025` for which failures, and with whose key.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, final

import structlog

from app.db.ai_settings import find_ai_settings
from app.db.session import Database
from app.errors import (
    GatewayError,
    InsufficientCredits,
    InvalidProviderResponse,
    ProviderInternalError,
    ProviderOverloaded,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
    QuotaExhausted,
    RateLimited,
    SpendLimitReached,
    StorageUnavailable,
    StreamInterrupted,
    TlsError,
)
from app.providers.model_lookup import ModelLookup
from app.providers.registry import Registry
from app.runs.credentials import InstanceKey, OpenedKey, find_api_key_in
from app.runs.detour import Detour
from app.runs.limits import RunLimits
from app.runs.model_request import Script, make_request
from app.runs.plan import Plan, plan_route
from app.runs.send import SendMessage
from app.vault import Vault

FALLS_BACK: Final = (
    ProviderUnreachable,
    TlsError,
    ProviderTimeout,
    ProviderInternalError,
    ProviderUnavailable,
    ProviderOverloaded,
    InvalidProviderResponse,
    StreamInterrupted,
    RateLimited,
    QuotaExhausted,
    InsufficientCredits,
    SpendLimitReached,
)
"""What the provider or an account is the cause of. Another answer would hide a wrong key, model or message."""
_log: Final[Any] = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fallback:
    """One entry of the list; no model means the provider's default."""

    provider: str
    model: str | None


@final
@dataclass(slots=True, kw_only=True)
class Fallbacks:
    """The list of one message; it is read when it is first needed."""

    database: Database
    registry: Registry
    vault: Vault | None
    instance_key: InstanceKey | None
    models: ModelLookup | None
    limits: RunLimits
    send: SendMessage
    plan: Plan
    """Where it was to go."""
    script: Script
    _left: list[Fallback] | None = None
    _asked: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    async def following(self, failure: GatewayError) -> Detour | None:
        """Give the next way after `failure`, None where it is not the provider's, or nothing usable is left."""
        if not isinstance(failure, FALLS_BACK):
            return None
        if self._left is None:
            self._asked.add((self.plan.route.provider.id, self.plan.route.model))
            self._left = await self._read()
        while self._left:
            entry = self._left.pop(0)
            try:
                detour = await self._detour(entry)
            except GatewayError as error:
                _log.info("fallback.skipped", provider=entry.provider, reason=error.code)
            else:
                if detour is not None:
                    return detour
        return None

    async def _read(self) -> list[Fallback]:
        with suppress(StorageUnavailable):
            async with self.database.read() as session:
                saved = await find_ai_settings(session, user_id=self.send.user_id)
            return parse_fallbacks(saved.fallbacks if saved is not None else None)
        return []

    async def _detour(self, entry: Fallback) -> Detour | None:
        route = self.registry.resolve(entry.provider, entry.model)
        named = (route.provider.id, route.model)
        if named in self._asked:
            return None
        self._asked.add(named)
        async with self.database.read() as session:
            key = await find_api_key_in(session, self.vault, self.instance_key, user_id=self.send.user_id, route=route)
        if not self._may_use(key):
            _log.info("fallback.skipped", provider=entry.provider, reason="operators_key")
            return None
        route, window = plan_route(self.models, self.instance_key, key)
        plan = Plan(route=route, key=key, place=self.plan.place, window=window)
        return Detour(*make_request(self.limits, self.send, plan, self.script), plan)

    def _may_use(self, key: OpenedKey) -> bool:
        """Tell whether the call is on the user's own account, on none, or on the one that it was to be on anyway."""
        same = key.route.provider.id == self.plan.route.provider.id and not self.plan.key.own
        return key.own or key.secret is None or same


def parse_fallbacks(stored: Sequence[Any] | None) -> list[Fallback]:
    """Read the column."""
    return [Fallback(entry["provider"], entry["model"]) for entry in stored or ()]
