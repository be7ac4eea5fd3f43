"""Diagnoses of a provider at any base URL, and what they say."""

import ssl
from typing import Any

from app.doctor.case import Case, KeyFound
from app.doctor.diagnosis import Means, diagnose
from app.doctor.network import Lookup, Network
from app.doctor.report import Report
from app.doctor.sheet import Limits
from app.providers import base_url as base_urls
from app.providers.model import ModelClient
from app.providers.provider import ListShape, Provider, Route, Wire, WireRule, lane_of
from app.providers.transport import Transport
from app.secret import Secret
from tests.doctor.site import KEY

QUICK = Limits(
    total_s=6, spend_s=20, dns_s=0.4, tcp_s=0.4, tls_s=0.4, http_s=0.6, search_s=0.6, auth_s=0.6, stream_s=5, wire_s=5
)
ZEN_RULES = (WireRule(prefixes=("gpt-",), wire=Wire.OPENAI_RESPONSES),)


def provider(api_base: str, **changes: Any) -> Provider:
    given: dict[str, Any] = {
        "id": "test",
        "label": "Test",
        "api_base": api_base,
        "default_model": "gpt-5-nano",
        "version": "",
        "models_list": ListShape.OPENAI,
    }
    return Provider(**given | changes)


def case(
    row: Provider,
    *,
    model: str | None = "gpt-5-nano",
    key: str | None = KEY,
    spend: bool = False,
    found: KeyFound | None = None,
    **changes: Any,
) -> Case:
    route = None
    if model is not None:
        wire = next((rule.wire for rule in row.wire_rules if model.startswith(rule.prefixes)), row.wire)
        base = base_urls.canonical(row.api_base, wire=wire, version=row.version)
        route = Route(provider=row, model=model, wire=wire, base_url=base, lane=lane_of(wire, row.lane))
    found = found or KeyFound(source="The key was given.", secret=Secret(key) if key else None)
    given: dict[str, Any] = {"provider": row, "route": route, "key": found, "spend": spend}
    return Case(**given | changes)


async def look(
    wanted: Case,
    *,
    client: ModelClient | None = None,
    tls: ssl.SSLContext | None = None,
    lookup: Lookup | None = None,
    limits: Limits | None = None,
) -> Report:
    """Diagnose with a transport and a network of its own."""
    async with Transport(tls=tls) as transport:
        means = Means(
            transport=transport, network=Network(tls=tls, lookup=lookup), client=client, limits=limits or Limits()
        )
        return await diagnose(wanted, means)


def verdicts(report: Report) -> dict[str, str]:
    return {step.name.value: step.finding.verdict.value for step in report.steps}


def step(report: Report, name: str) -> dict[str, Any]:
    return next(shown for shown in report.as_dict()["steps"] if shown["step"] == name)
