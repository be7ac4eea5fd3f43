"""`llm-gateway doctor`: why a provider does not answer, from where the gateway stands."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import click

from app.cli.common import EXIT_FAILURE, print_table

if TYPE_CHECKING:
    from app.doctor.case import Case, KeyFound
    from app.doctor.report import Report
    from app.providers.model import ModelClient
    from app.providers.provider import Provider
    from app.providers.registry import Registry
    from app.providers.transport import Transport
    from app.secret import Secret
    from app.settings import Settings

KEY_VARIABLE: Final = "GATEWAY_DOCTOR_KEY"
_MAX_KEY_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the command line asks for."""

    provider: str
    model: str | None
    user: str | None
    key: "Secret | None"
    spend: bool
    tools: bool


@click.command()
@click.argument("provider")
@click.option("--model", help="The model to look for.  [default: what a message without a model goes to]")
@click.option("--spend", is_flag=True, help="Ask the model for a few words too, which costs a few tokens.")
@click.option("--tools", is_flag=True, help="With --spend: ask it to call a tool too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, the same as the API answers.")
@click.option("--user", metavar="ID", help="Take the key that this user has stored.")
@click.option("--key-stdin", is_flag=True, help="Read the key from standard input.")
@click.pass_context
def doctor(  # noqa: PLR0913 - one argument for each option
    ctx: click.Context,
    provider: str,
    *,
    model: str | None,
    spend: bool,
    tools: bool,
    as_json: bool,
    user: str | None,
    key_stdin: bool,
) -> None:
    """Say step by step why PROVIDER does not answer, and what to do.

    The key is that of --user, else that of standard input or of the variable GATEWAY_DOCTOR_KEY, for which no database
    is needed, else the operator's. Ends with 0 where nothing failed, 1 where something did, 2 for a wrong command.
    """
    if user is not None and key_stdin:
        message = "--user and --key-stdin exclude each other."
        raise click.UsageError(message)
    if tools and not spend:
        message = "--tools needs --spend: a tool can only be tried with tokens."
        raise click.UsageError(message)
    key = None if user is not None else _given_key(from_stdin=key_stdin)
    wish = _Wish(provider=provider, model=model, user=user, key=key, spend=spend, tools=tools)
    report = asyncio.run(_diagnose(_settings(), wish))
    if as_json:
        click.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(report)
    ctx.exit(EXIT_FAILURE if report.failed is not None else 0)


def _settings() -> "Settings":
    """Read the settings without the variable of the key, which is none of them."""
    from app.log import configure
    from app.settings import load_settings

    settings = load_settings({name: value for name, value in os.environ.items() if name != KEY_VARIABLE})
    configure("ERROR", settings.log_format)
    return settings


def _given_key(*, from_stdin: bool) -> "Secret | None":
    """Give the key of standard input or of the variable; raises `UsageError`, which never quotes it."""
    from app.secret import Secret, api_key_complaint

    if from_stdin:
        if sys.stdin.isatty():
            text = str(click.prompt("Key", hide_input=True, err=True)).strip()
        else:
            text = sys.stdin.buffer.read(_MAX_KEY_BYTES).decode(errors="replace").strip()
    else:
        text = os.environ.get(KEY_VARIABLE, "").strip()
        if not text:
            return None
    wrong = "It is empty." if not text else api_key_complaint(text)
    if wrong:
        message = f"The key from {'standard input' if from_stdin else KEY_VARIABLE} cannot be used: {wrong}"
        raise click.UsageError(message)
    return Secret(text)


async def _diagnose(settings: "Settings", wish: _Wish) -> "Report":
    from app.doctor.diagnosis import Means, diagnose
    from app.providers.registry import build_registry
    from app.providers.transport import Transport

    registry = build_registry(settings.provider_tables, lane=settings.lane)
    case = await _case(settings, registry, wish)
    async with Transport() as transport, _client(transport, case) as client:
        return await diagnose(case, Means(transport=transport, client=client))


async def _case(settings: "Settings", registry: "Registry", wish: _Wish) -> "Case":
    from app.errors import CallerError, InvalidInput

    try:
        provider = registry.get(wish.provider)
        if wish.user is not None:
            return await _case_of_user(settings, registry, provider, wish, wish.user)
        return _case_of_key(settings, registry, provider, wish)
    except InvalidInput as wrong:
        raise click.UsageError(" ".join(text for texts in wrong.fields.values() for text in texts)) from None
    except CallerError as wrong:
        raise click.UsageError(wrong.sentence) from None


def _case_of_key(settings: "Settings", registry: "Registry", provider: "Provider", wish: _Wish) -> "Case":
    """Give what is looked at with the key that was given, else the operator's."""
    from app.doctor.case import Case

    operators = settings.voyage_ai_model if _is_operators(settings, provider) else None
    model = wish.model or operators
    named = model is not None or provider.default_model is not None
    return Case(
        provider=provider,
        route=registry.resolve(provider.id, model) if named else None,
        key=_key(settings, provider, wish),
        spend=wish.spend,
        tools=wish.tools,
        operators=operators,
    )


def _key(settings: "Settings", provider: "Provider", wish: _Wish) -> "KeyFound":
    from app.doctor.case import KeyFound
    from app.errors import MissingCredential, Origin
    from app.settings import as_secret

    if wish.key is not None:
        return KeyFound(source="The key was given to this command.", secret=wish.key)
    if _is_operators(settings, provider) and (secret := as_secret(settings.voyage_ai_api_key)) is not None:
        return KeyFound(source="The operator's key is used.", secret=secret)
    if not provider.needs_api_key:
        return KeyFound(source="None is stored, and none is needed.")
    remedy = f"Name a user with --user, or give a key with --key-stdin or {KEY_VARIABLE}."
    missing = MissingCredential(origin=Origin(provider=provider.id, label=provider.label), action=remedy)
    return KeyFound(source="", error=missing)


def _is_operators(settings: "Settings", provider: "Provider") -> bool:
    from app.providers.registry import normalise

    return normalise(settings.voyage_ai_provider or "openai") == provider.id


async def _case_of_user(
    settings: "Settings", registry: "Registry", provider: "Provider", wish: _Wish, user: str
) -> "Case":
    """Give what a message of this user would use."""
    from app.doctor.wish import Archive, Wish, find_case
    from app.main import instance_key_of, vault_of
    from app.serve import open_migrated

    asked = Wish(user_id=user, provider=provider.id, model=wish.model, spend=wish.spend, tools=wish.tools)
    async with open_migrated(settings.database_url) as database:
        archive = Archive(
            database=database,
            vault=vault_of(settings),
            registry=registry,
            instance_key=instance_key_of(settings, registry),
        )
        async with database.read() as session:
            case = await find_case(session, archive, asked, provider)
    return replace(case, shows_address=True)  # who runs this knows it


@asynccontextmanager
async def _client(transport: "Transport", case: "Case") -> "AsyncGenerator[ModelClient | None]":
    """Give what calls models, as messages do; None where nothing is called. litellm is loaded only for its own lane."""
    if not case.spend:
        yield None
        return
    from app.doctor.scratchpad import Scratchpad
    from app.providers import litellm_loading
    from app.providers.families import Families
    from app.providers.lanes import Lanes
    from app.providers.litellm_lane import LitellmLane
    from app.providers.native_lane import NativeLane
    from app.providers.provider import Lane

    lane = LitellmLane(transport)
    if case.route is not None and case.route.lane is Lane.LITELLM:
        lane.use(await litellm_loading.in_daemon_thread(litellm_loading.load_warm))
    try:
        yield Families(Lanes(native=NativeLane(transport), litellm=lane), Scratchpad())
    finally:
        await lane.close()


def _print(report: "Report") -> None:
    rows = [("STEP", "", "MS", "WHAT")]
    for step in report.steps:
        found = step.finding
        said = f" The provider says: {found.upstream_message}" if found.upstream_message else ""
        code = f" [{found.code}]" if found.code else ""
        rows.append((step.name.value, found.verdict.value.upper(), str(step.ms), f"{found.cause}{code}{said}"))
    click.echo(f"{report.provider}, model {report.model or '-'}, wire {report.wire}")
    print_table(rows)
    remedies = [(step.name.value, step.finding.remedy) for step in report.steps if step.finding.remedy]
    if remedies:
        click.echo("\nWhat to do:")
    for name, remedy in remedies:
        click.echo(f"  {name}: {remedy}")
