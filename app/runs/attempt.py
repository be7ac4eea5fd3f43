"""One model call as its run keeps it: whom it asked, how, for how long, and what came of it."""

import asyncio
from dataclasses import replace
from typing import Any, final

from app.errors import GatewayError, ProviderResting
from app.providers.adaptation import adaptations
from app.providers.model import ModelRequest
from app.providers.provider import Route, Wire
from app.runs.clock import Clock


def new_attempt(number: int, route: Route, clock: Clock) -> dict[str, Any]:
    """Give the note of a model call that is about to be made; times in milliseconds, JSON-ready."""
    return {
        "attempt": number,
        "provider": route.provider.id,
        "model": route.model,
        "lane": route.lane.value,
        "origin": shown_origin(route),
        "started_at": clock.now().isoformat(),
        "ended_ms": None,
        "ttft_ms": None,
        "waited_ms": None,
        "paused_ms": 0,
        "error": None,
        "upstream_status": None,
    }


def shown_origin(route: Route) -> str | None:
    """Give scheme, host and port of a provider of the catalogue; an address of the operator's or a user's own is None.

    An internal address is nobody's business.
    """
    provider = route.provider
    return route.origin if provider.guarded and not provider.own_address else None


@final
class Attempt:
    """Fills its `note` while the call is made."""

    def __init__(self, number: int, request: ModelRequest, clock: Clock) -> None:
        """Begin now; `number` counts the calls of a run from 1."""
        self.note = new_attempt(number, request.route, clock)
        self._request = request
        self._clock = clock
        self._started = clock.monotonic()
        self._waited_s: float | None = None

    def heard(self) -> ModelRequest:
        """Give the request with everything in it that this wants to be told."""
        return replace(self._request, on_wire=self._on_wire, on_waited=self._on_waited)

    def shown(self) -> None:
        """Note the first delta that was shown."""
        self.note["ttft_ms"] = self._elapsed_ms()

    def end(self, failure: BaseException | None) -> None:
        """Note how it ended."""
        self.note["ended_ms"] = self._elapsed_ms()
        if isinstance(failure, ProviderResting):
            self.note["waited_ms"] = 0  # nobody was asked
        elif self._waited_s is not None:
            self.note["waited_ms"] = round(self._waited_s * 1000)
        if failure is not None:
            self.note["error"] = _code(failure)
        if isinstance(failure, GatewayError):
            self.note["upstream_status"] = failure.origin.upstream_status

    def _on_wire(self, wire: Wire) -> None:
        """Note the wire; one that was noted before has been refused."""
        if "wire" in self.note:
            self.note.setdefault("refused_wires", []).append(self.note["wire"])
        self.note["wire"] = wire.value
        self.note["adaptations"] = adaptations(self._request, wire)
        self._request.on_wire(wire)

    def _on_waited(self, seconds: float) -> None:
        self._waited_s = (self._waited_s or 0.0) + seconds
        self._request.on_waited(seconds)

    def _elapsed_ms(self) -> int:
        return round((self._clock.monotonic() - self._started) * 1000)


def _code(failure: BaseException) -> str:
    match failure:
        case GatewayError():
            return failure.code
        case asyncio.CancelledError():
            return "cancelled"
        case _:
            return "internal_error"
