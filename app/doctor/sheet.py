"""Takes down step after step, each with its own time and all within one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.doctor.case import Case
from app.doctor.report import Finding, Report, Step, StepName, Verdict, failed, skipped
from app.errors import GatewayError, Origin, ProviderTimeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds."""

    total_s: float = 20.0
    """The whole diagnosis without tokens."""
    spend_s: float = 60.0
    """The whole diagnosis with them."""
    dns_s: float = 4.0
    tcp_s: float = 4.0
    tls_s: float = 5.0
    http_s: float = 8.0
    """One request for the list of models."""
    search_s: float = 6.0
    """Looking for the right base URL beside a wrong one."""
    auth_s: float = 4.0
    stream_s: float = 30.0
    wire_s: float = 8.0
    """Trying one other wire for a model that is refused on its own."""


class Sheet:
    """The steps of one diagnosis, as they are done."""

    def __init__(self, origin: Origin, *, total_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin now; after `total_s` seconds what is left is skipped."""
        self._origin = origin
        self._now = monotonic
        self._began = monotonic()
        self._total_s = total_s
        self._steps: dict[StepName, Step] = {}

    @property
    def left_s(self) -> float:
        """What is left of the time."""
        return self._total_s - (self._now() - self._began)

    def failed(self, *names: StepName) -> bool:
        """Tell whether one of these steps has failed, or of all where none is named."""
        looked_at = names or tuple(self._steps)
        return any(self._steps[name].finding.verdict is Verdict.FAIL for name in looked_at if name in self._steps)

    def finding(self, name: StepName) -> Finding | None:
        """Give what a step has found so far."""
        step = self._steps.get(name)
        return step.finding if step is not None else None

    def note(self, name: StepName, finding: Finding, *, ms: int | None = None) -> None:
        """Write a finding down, over an earlier one of the same step where later steps know better."""
        before = self._steps.get(name)
        taken = ms if ms is not None else before.ms if before is not None else 0
        self._steps[name] = Step(name=name, ms=taken, finding=finding)

    async def run(self, name: StepName, seconds: float, work: Callable[[], Awaitable[Finding]]) -> Finding:
        """Do one step; a `GatewayError` and its time running out are findings."""
        limit = min(seconds, self.left_s)
        began = self._now()
        finding = skipped("The time for the whole diagnosis is used up.")
        if limit > 0:
            try:
                async with asyncio.timeout(limit):
                    finding = await work()
            except TimeoutError:
                finding = self._late(limit)
            except GatewayError as error:
                finding = failed(error)
        self.note(name, finding, ms=round((self._now() - began) * 1000))
        return finding

    def _late(self, seconds: float) -> Finding:
        message = f"{self._origin.label} had not answered after {seconds:.1f} s."
        remedy = "Find out what holds it up: a firewall that drops packets, a proxy, or a provider in trouble."
        return failed(ProviderTimeout(message, origin=self._origin, action=remedy))

    def report(self, case: Case) -> Report:
        """Give all of it, in the order of the steps."""
        return Report(
            provider=case.provider.id,
            model=case.model,
            wire=case.wire.value,
            spend=case.spend,
            ms=round((self._now() - self._began) * 1000),
            steps=tuple(self._steps[name] for name in StepName if name in self._steps),
        )
