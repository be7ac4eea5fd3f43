"""A model client that does not ask who has failed again and again."""

import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, final

from app.errors import (
    GatewayError,
    Origin,
    Phase,
    ProviderInternalError,
    ProviderOverloaded,
    ProviderResting,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
)
from app.providers.circuit import Circuits, Pass, Rest, Verdict
from app.providers.model import Delta, ModelClient, ModelRequest
from app.providers.target import target_of

_FAILURES: Final = (
    ProviderUnreachable,
    ProviderTimeout,
    ProviderInternalError,
    ProviderUnavailable,
    ProviderOverloaded,
)
"""What would have met anybody. Not a bad key, an empty account, a limit, an unknown model or a filtered text: those
are about this caller."""
_BROKEN: Final = 500


@final
class CircuitClient:
    """A `ModelClient` around another one; nothing is between it and the deltas."""

    def __init__(self, client: ModelClient, circuits: Circuits) -> None:
        """Call through `client`."""
        self._client = client
        self._circuits = circuits

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        """Do what `ModelClient.stream` does; raises `ProviderResting` where the circuit is open."""
        if not request.route.provider.counted:
            async with self._client.stream(request) as deltas:
                yield deltas
            return
        held = self._circuits.ask(target_of(request.route))
        if isinstance(held, Rest):
            raise _resting(request, held)
        call = _Call(self._circuits, held, request)
        try:
            async with self._client.stream(replace(request, on_answering=call.answering)) as deltas:
                yield deltas
            call.tell(Verdict.ANSWERED)
        except GatewayError as error:
            call.tell(verdict_of(error))
            raise
        finally:
            call.tell(Verdict.NEITHER)


@final
class _Call:
    """Says once what a call found out: the first word counts."""

    def __init__(self, circuits: Circuits, held: Pass, request: ModelRequest) -> None:
        self._circuits = circuits
        self._held: Pass | None = held
        self._request = request

    def answering(self) -> None:
        """Note the first piece; an answer may take minutes, and others wait for this."""
        self.tell(Verdict.ANSWERED)
        self._request.on_answering()

    def tell(self, verdict: Verdict) -> None:
        """Give the pass back."""
        held, self._held = self._held, None
        if held is not None:
            self._circuits.tell(held, verdict)


def verdict_of(error: GatewayError) -> Verdict:
    """Judge a call that failed before its first piece."""
    status = error.origin.upstream_status
    # A gateway's own gateways have bad keys too: those are its internal errors, with the status of a refusal.
    broken = status is None or status >= _BROKEN
    return Verdict.FAILED if isinstance(error, _FAILURES) and broken else Verdict.NEITHER


def _resting(request: ModelRequest, rest: Rest) -> ProviderResting:
    provider, seconds = request.route.provider, math.ceil(rest.retry_after_s)
    message = f"{provider.label} has failed {rest.failures} times in a row, so it is not asked for the moment."
    return ProviderResting(
        message,
        action=f"It is tried again in {seconds} s; send the message again then, or choose another provider.",
        origin=Origin(
            provider=provider.id, label=provider.label, model=request.route.model, private=not request.own_key
        ),
        phase=Phase.CONNECT,
        retry_after_s=float(seconds),
    )
