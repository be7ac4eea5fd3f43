"""The order of the steps, and which failure makes which later ones pointless."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, final
from urllib.parse import SplitResult, urlsplit

from app.doctor import answering, speaking
from app.doctor.case import Case
from app.doctor.listing import Listed, ask_list
from app.doctor.network import Network
from app.doctor.report import Finding, Report, StepName, failed, passed, skipped, warned
from app.doctor.settling import settle_refused, settle_served
from app.doctor.sheet import Limits, Sheet
from app.errors import ConfigError, GatewayError, ProviderTimeout, ProviderUnreachable
from app.providers import family
from app.providers.model import ModelClient
from app.providers.provider import Route, Wire
from app.providers.transport import Sender

_PORTS: Final = {"http": 80, "https": 443}
_SLACK_S: Final = 1.0
"""A step that has a limit of its own says better what was late."""
_BELOW_HTTP: Final = (StepName.BASE_URL, StepName.DNS, StepName.TCP, StepName.TLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a diagnosis is done with; nothing of it is closed here."""

    transport: Sender
    network: Network = field(default_factory=Network)
    client: ModelClient | None = None
    """None where no tokens may be spent."""
    limits: Limits = field(default_factory=Limits)


async def diagnose(case: Case, means: Means) -> Report:
    """Do the steps that make sense for `case`; raises nothing that a provider can cause."""
    return await _Diagnosis(case, means).run()


@final
class _Diagnosis:
    """What one diagnosis has found out so far."""

    def __init__(self, case: Case, means: Means) -> None:
        self._case = case
        self._network = means.network if case.provider.guarded else means.network.unguarded()
        self._means = means
        self._limits = means.limits
        total_s = self._limits.spend_s if case.spend else self._limits.total_s
        self._sheet = Sheet(case.origin, total_s=total_s)
        self._base = ""
        self._parts = SplitResult("", "", "", "", "")
        self._addresses: tuple[str, ...] = ()
        self._address = ""
        self._listed = Listed()

    async def run(self) -> Report:
        limits = self._limits
        self._look_at_key()
        await self._step(StepName.BASE_URL, limits.dns_s, self._look_at_base)
        await self._step(StepName.DNS, limits.dns_s + _SLACK_S, self._resolve)
        await self._step(StepName.TCP, limits.tcp_s + _SLACK_S, self._connect)
        await self._step(StepName.TLS, limits.tls_s + _SLACK_S, self._shake_hands)
        await self._step(StepName.HTTP, limits.http_s + limits.search_s + _SLACK_S, self._ask)
        await self._step(StepName.CLOCK, limits.http_s, self._compare_clocks)
        await self._step(StepName.AUTH, limits.auth_s, self._show_key, needs=(StepName.HTTP,))
        await self._step(StepName.MODEL, limits.http_s, self._find_model, needs=(StepName.HTTP,))
        self._sheet.note(StepName.WIRE, answering.wire_finding(self._case))
        await self._call()
        return self._sheet.report(self._case)

    async def _step(
        self,
        name: StepName,
        seconds: float,
        work: Callable[[], Awaitable[Finding]],
        *,
        needs: tuple[StepName, ...] = (),
    ) -> None:
        """Do a step, unless one that it stands on has failed."""
        broken = next((step for step in (*_BELOW_HTTP, *needs) if self._sheet.failed(step)), None)
        if broken is not None:
            self._sheet.note(name, skipped(f"Pointless while the step {broken} fails."))
        else:
            await self._sheet.run(name, seconds, work)

    def _look_at_key(self) -> None:
        key, sheet = self._case.key, self._sheet
        missing = key.error is not None and not key.sealed
        sheet.note(StepName.KEY_STORED, failed(key.error) if key.error and missing else passed(key.source))
        if not key.sealed:
            opened = skipped("There is no stored key to open.")
        else:
            opened = failed(key.error) if key.error is not None else passed("The stored key can be opened.")
        sheet.note(StepName.KEY_OPENS, opened)

    async def _look_at_base(self) -> Finding:
        case = self._case
        try:
            self._base = case.base_url()
        except ConfigError as error:
            wrong = ProviderUnreachable(f"The base URL of {case.provider.label} is not valid.", origin=case.origin)
            return failed(wrong, remedy=f"Correct it: {error}.")
        self._parts = urlsplit(self._base)
        shown = case.address(self._base, "the address that the operator has configured")
        if self._parts.scheme == "http" and case.key.secret is not None and not _is_near(self._parts.hostname or ""):
            cause = f"Requests go to {shown} unencrypted, and the key with them."
            return warned(cause, "Use https:// in the base URL.")
        return passed(f"Requests go to {shown}.")

    @property
    def _port(self) -> int:
        return self._parts.port or _PORTS[self._parts.scheme]

    async def _resolve(self) -> Finding:
        host = self._parts.hostname or ""
        with suppress(ValueError):
            self._addresses = (str(ipaddress.ip_address(host)),)
            return skipped("The base URL has an address, no name.")
        self._addresses = await self._network.addresses(host, self._port, self._case.origin, seconds=self._limits.dns_s)
        count = len(self._addresses)
        return passed(f"The name of the host has {count} address{'' if count == 1 else 'es'}.")

    async def _connect(self) -> Finding:
        seconds = self._limits.tcp_s
        self._address = await self._network.connect(self._addresses, self._port, self._case.origin, seconds=seconds)
        return passed("A connection is taken.")

    async def _shake_hands(self) -> Finding:
        if self._parts.scheme != "https":
            return skipped("The base URL begins with http://.")
        version = await self._network.shake_hands(
            self._address, self._parts.hostname or "", self._port, self._case.origin, seconds=self._limits.tls_s
        )
        return passed(f"{version}, and this machine trusts the certificate.")

    async def _ask(self) -> Finding:
        case, sender = self._case, self._means.transport
        try:
            async with asyncio.timeout(self._limits.http_s):
                self._listed = await ask_list(sender, case, case.key.secret)
        except TimeoutError:
            message = f"{case.provider.label} took the request, and did not answer it in {self._limits.http_s:g} s."
            action = "Ask it from this machine with curl: the service hangs, or something in between does."
            raise ProviderTimeout(message, origin=case.origin, action=action) from None
        try:
            async with asyncio.timeout(self._limits.search_s):
                return await answering.http_finding(sender, case, self._base, self._listed)
        except TimeoutError:
            return answering.nowhere(case, self._listed)

    async def _compare_clocks(self) -> Finding:
        return answering.clock_finding(self._case, self._listed.head)

    async def _show_key(self) -> Finding:
        return await answering.auth_finding(self._means.transport, self._case, self._listed)

    async def _find_model(self) -> Finding:
        return answering.model_finding(self._case, self._listed)

    async def _call(self) -> None:
        client, route, sheet = self._means.client, self._case.route, self._sheet
        why = self._why_no_call()
        if why or client is None or route is None:
            sheet.note(StepName.STREAM, skipped(why))
            sheet.note(StepName.TOOL_CALL, skipped(why))
            return

        async def stream() -> Finding:
            finding, error = await speaking.stream_finding(
                client, self._case, route, seconds=self._limits.stream_s, on_wire=self._use
            )
            if error is None:
                settle_served(sheet, self._case)
            else:
                settle_refused(sheet, self._case, error)
                await self._look_for_wire(client, route, error)
            return finding

        await sheet.run(StepName.STREAM, self._limits.spend_s, stream)
        if not self._case.tools:
            sheet.note(StepName.TOOL_CALL, skipped("Not asked for."))
        elif sheet.failed(StepName.STREAM):
            sheet.note(StepName.TOOL_CALL, skipped(f"Pointless while the step {StepName.STREAM} fails."))
        else:
            work = partial(speaking.tool_finding, client, self._case, route)
            await sheet.run(StepName.TOOL_CALL, self._limits.stream_s, work)

    def _use(self, wire: Wire) -> None:
        """Take down the wire that is tried now: the client knows better than the route which one that is."""
        if self._case.route is not None:
            self._case = replace(self._case, route=family.on_wire(self._case.route, wire))

    async def _look_for_wire(self, client: ModelClient, route: Route, error: GatewayError) -> None:
        with suppress(TimeoutError):  # what the stream has found is told all the same
            async with asyncio.timeout(self._sheet.left_s - _SLACK_S):
                right = await speaking.find_wire(client, self._case, route, error, seconds=self._limits.wire_s)
                if right is not None:
                    self._sheet.note(StepName.WIRE, speaking.wrong_wire(self._case, right, error))

    def _why_no_call(self) -> str:
        """Say why the model is not asked; "" where it is.

        A list that fails is no reason: messages do without it.
        """
        case, head, sheet = self._case, self._listed.head, self._sheet
        reasons = (
            (not case.spend, "Not asked for, as it costs tokens."),
            (self._means.client is None, "Nothing is there that could ask a model."),
            (case.route is None, f"No model was named, and {case.provider.label} has no default."),
            (case.key.error is not None, "There is no usable key to show."),
            (sheet.failed(*_BELOW_HTTP), "Pointless while the provider is not reached."),
            (head is None or head.redirect, "Pointless while the provider is not reached."),
            (sheet.failed(StepName.AUTH), f"Pointless while the step {StepName.AUTH} fails."),
        )
        return next((text for holds, text in reasons if holds), "")


def _is_near(host: str) -> bool:
    """Tell whether `host` is this machine or one of the same private network."""
    if host == "localhost" or "." not in host.strip("."):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.endswith((".localhost", ".local", ".internal"))
    return address.is_private or address.is_loopback
