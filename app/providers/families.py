"""Calls each model on the wire that its gateway serves it on now, and remembers what the table did not know.

The operator's word counts before what was learned, that before the provider's table, and that before the rest's wire.
Where the gateway refuses a wire by the provider's `mismatch`, before anything was shown, the others are tried, each at
most once; the first that answers is learned. See `docs/decisions/0021`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Protocol, final

import structlog

from app.errors import EndpointMismatch
from app.providers import family
from app.providers.model import Delta, ModelClient, ModelRequest
from app.providers.provider import Provider, Route, Wire

_log: Final[Any] = structlog.get_logger(__name__)


class LearnedWires(Protocol):
    """Where what was learned is kept: quick to ask, and never a reason for a call to fail."""

    async def find(self, provider: Provider, model: str, *, fresh: bool = False) -> Wire | None:
        """Give what is known of a model; `fresh` asks whether another process knows better by now."""
        ...

    async def learn(self, provider: Provider, model: str, wire: Wire) -> None:
        """Keep what has answered."""
        ...

    async def unlearn(self, provider: Provider, model: str, wire: Wire) -> None:
        """Forget it, unless something else was learned meanwhile."""
        ...


class WireSource(StrEnum):
    """Who says which wire a model is called on."""

    OPERATOR = "operator"
    LEARNED = "learned"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True)
class KnownWire:
    """The wire of a model, and who says so."""

    wire: Wire
    source: WireSource


@final
class Families:
    """A `ModelClient` before another one, which it asks once for each wire that is tried."""

    def __init__(self, client: ModelClient, learned: LearnedWires) -> None:
        """Call models through `client`; both stay their owner's."""
        self._client = client
        self._learned = learned

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        """Open one call; see `ModelClient`. Raises `EndpointMismatch` where no wire is left to try."""
        route = request.route
        if not family.may_move(route.provider, route.model):
            request.on_wire(route.wire)
            async with self._client.stream(request) as deltas:
                yield deltas
            return
        tried = self._deltas(request)
        try:
            yield tried
        finally:
            await tried.aclose()

    async def known(self, provider: Provider, models: Sequence[str]) -> dict[str, KnownWire]:
        """Give the wire of each model, for a provider with several; empty for one with a single wire."""
        if len(family.wires_of(provider)) == 1:
            return {}
        return {model: await self._known(provider, model) for model in models}

    async def _known(self, provider: Provider, model: str) -> KnownWire:
        if family.may_move(provider, model) and (learned := await self._learned.find(provider, model)):
            return KnownWire(learned, WireSource.LEARNED)
        by_operator = family.operators_wire(provider, model) is not None
        source = WireSource.OPERATOR if by_operator else WireSource.CATALOG
        return KnownWire(family.resolved_wire(provider, model), source)

    async def _deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        route = request.route
        refused: list[Wire] = []
        wire = await self._learned.find(route.provider, route.model) or route.wire
        while True:
            request.on_wire(wire)
            answered = False
            try:
                async with self._client.stream(replace(request, route=family.on_wire(route, wire))) as deltas:
                    async for delta in deltas:
                        if not answered:
                            answered = True
                            await self._learn(route, wire, refused)
                        yield delta
            except EndpointMismatch as error:
                if answered:
                    raise
                refused.append(wire)
                following = await self._next(route, refused)
                if following is None:
                    raise _nowhere(error, refused) from None
                wire = following
            else:
                return

    async def _learn(self, route: Route, wire: Wire, refused: Sequence[Wire]) -> None:
        """Keep a wire that has answered after others were refused; the table's own needs no keeping."""
        if not refused:
            return
        _log.info("wire.learned", **_named(route), wire=wire.value, refused=[each.value for each in refused])
        if wire is not route.wire:
            await self._learned.learn(route.provider, route.model, wire)

    async def _next(self, route: Route, refused: Sequence[Wire]) -> Wire | None:
        provider, model = route.provider, route.model
        _log.info("wire.refused", **_named(route), wire=refused[-1].value)
        if refused[-1] is not route.wire:
            await self._learned.unlearn(provider, model, refused[-1])
        if len(refused) == 1:
            elsewhere = await self._learned.find(provider, model, fresh=True)
            if elsewhere is not None and elsewhere not in refused:
                return elsewhere
        return family.next_wire(provider, model, refused)


def _nowhere(error: EndpointMismatch, refused: Sequence[Wire]) -> EndpointMismatch:
    names = ", ".join(wire.value for wire in refused)
    message = f"{error.origin.label} does not serve {error.origin.model} on any of {names}."
    return EndpointMismatch(message, origin=error.origin, phase=error.phase)


def _named(route: Route) -> dict[str, str]:
    return {"gen_ai.provider.name": route.provider.id, "gen_ai.request.model": route.model}
