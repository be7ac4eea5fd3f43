"""Who answers when the request leaves it open, and how a saved choice is written back."""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config_file import ProviderTable
from app.db.ai_settings import AiSettingsChange, put_ai_settings
from app.db.models import AiSettings
from app.db.session import Database
from app.errors import (
    GatewayError,
    InvalidInput,
    InvalidModelForProvider,
    ProviderNotAvailable,
    ProviderRetired,
    StorageUnavailable,
)
from app.providers.catalog import CATALOG
from app.providers.provider import Route
from app.providers.registry import Registry, build_registry
from app.runs.choice import choose, saved_model, saved_pair
from app.runs.clock import utc_now
from app.runs.credentials import InstanceKey
from tests.providers.model_ids import model_ids

REGISTRY = build_registry(
    {
        "xai": ProviderTable(enabled=False),
        "acme.eu": ProviderTable(api_base="https://acme.example/v1", models=["a-1", "a-2"]),
    }
)
OPERATORS = InstanceKey(provider="mistral", model="magistral-small")


def settings(provider: str | None, model: str | None) -> AiSettings:
    now = utc_now()
    return AiSettings(
        id=uuid4(), user_id="ada", preferred_provider=provider, preferred_model=model, created_at=now, updated_at=now
    )


async def save(database: Database, provider: str | None, model: str | None, user_id: str = "ada") -> None:
    change = AiSettingsChange(preferred_provider=provider, preferred_model=model)
    async with database.write() as session:
        await put_ai_settings(session, user_id=user_id, new_id=uuid4(), change=change, now=utc_now())


async def chosen(
    database: Database,
    provider: str | None = None,
    model: str | None = None,
    *,
    instance: InstanceKey | None = OPERATORS,
    registry: Registry = REGISTRY,
) -> tuple[str, str]:
    route = await choose(database, registry, instance, user_id="ada", provider=provider, model=model)
    return route.provider.id, route.model


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        (None, None, ("groq", "groq/compound")),
        ("groq", None, ("groq", "groq/compound")),
        (" LlmProviders.GROQ ", "  ", ("groq", "groq/compound")),
        (None, "qwen/qwen3-32b", ("groq", "qwen/qwen3-32b")),
        ("openai", None, ("openai", "gpt-6-luna")),
        ("mistral", None, ("mistral", "magistral-small")),
        ("mistral", "mistral/codestral-latest", ("mistral", "codestral-latest")),
        ("Anthropic", "anthropic/claude-haiku-4-5", ("anthropic", "claude-haiku-4-5")),
    ],
)
async def test_what_is_saved_fills_what_the_request_leaves_open(
    database: Database, provider: str | None, model: str | None, expected: tuple[str, str]
) -> None:
    await save(database, " LlmProviders.Groq ", " groq/compound ")
    await save(database, "anthropic", "claude-haiku-4-5", user_id="bob")

    assert await chosen(database, provider, model) == expected


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("mistral", None, ("mistral", "magistral-small")),
        ("mistral", "  ", ("mistral", "magistral-small")),
        ("mistral", "codestral-latest", ("mistral", "codestral-latest")),
        ("openai", None, ("openai", "gpt-6-luna")),
        (None, "gpt-4o", ("mistral", "magistral-small")),
        ("", "gpt-4o", ("mistral", "magistral-small")),
        ("nosuch", "gpt-4o", ("mistral", "magistral-small")),
        ("xai", "grok-4.7", ("mistral", "magistral-small")),
        ("github_models", "openai/gpt-4o", ("mistral", "magistral-small")),
    ],
)
async def test_a_saved_provider_counts_where_it_can_be_used_and_brings_its_own_model_only(
    database: Database, provider: str | None, model: str | None, expected: tuple[str, str]
) -> None:
    await save(database, provider, model)

    assert await chosen(database) == expected


async def test_where_nothing_is_saved_the_operator_and_then_the_registry_decides(database: Database) -> None:
    assert await chosen(database) == ("mistral", "magistral-small")
    assert await chosen(database, instance=InstanceKey(provider="mistral")) == ("mistral", "mistral-small-latest")
    assert await chosen(database, instance=None) == ("openai", "gpt-6-luna")
    without = build_registry({"openai": ProviderTable(enabled=False)})
    assert await chosen(database, instance=None, registry=without) == ("anthropic", "claude-haiku-4-5")
    demo = build_registry({}, demo_base_url="http://127.0.0.1:9/v1")
    assert await chosen(database, instance=None, registry=demo) == ("demo", "demo-small")


async def test_where_no_provider_can_be_used_that_is_said(database: Database) -> None:
    retired = [replace(row, retired="It is gone.") for row in CATALOG]
    with pytest.raises(ProviderNotAvailable):
        await chosen(database, instance=None, registry=Registry({row.id: row for row in retired}))


@pytest.mark.parametrize(
    ("provider", "model", "error"),
    [
        ("nosuch", None, ProviderNotAvailable),
        ("xai", None, ProviderNotAvailable),
        ("github_models", None, ProviderRetired),
        ("lmstudio", None, InvalidInput),
        ("openai", "anthropic/claude-haiku-4-5", InvalidModelForProvider),
        (None, "anthropic/claude-haiku-4-5", InvalidModelForProvider),
        (None, "../etc", InvalidInput),
    ],
)
async def test_what_the_request_names_is_never_replaced(
    database: Database, provider: str | None, model: str | None, error: type[GatewayError]
) -> None:
    await save(database, "mistral", "mistral-small-latest")

    with pytest.raises(error):
        await chosen(database, provider, model)


async def test_a_saved_model_of_somebody_else_is_refused_with_the_right_one(database: Database) -> None:
    await save(database, "openai", "openrouter/gpt-4o")

    with pytest.raises(InvalidModelForProvider) as caught:
        await chosen(database)

    assert caught.value.did_you_mean == ("openai/gpt-4o",)
    assert await chosen(database, "openai", "gpt-4o") == ("openai", "gpt-4o")


async def test_the_database_is_asked_only_when_something_is_open() -> None:
    away = Database.open("sqlite:////nonexistent/folder/gateway.db")

    assert await chosen(away, "groq", "compound") == ("groq", "groq/compound")
    for provider, model in (("groq", None), (None, "compound"), (None, None)):
        with pytest.raises(StorageUnavailable):
            await chosen(away, provider, model)
    await away.close()


@pytest.mark.parametrize(
    ("saved", "answered"),
    [
        (("LlmProviders.OpenAI", "openai/gpt-6-luna"), ("openai", "gpt-6-luna")),
        (("opencode_zen", "openai/gpt-5-nano"), ("opencode_zen", "gpt-5-nano")),
        (("openrouter", "auto"), ("openrouter", "openrouter/auto")),
        (("gemini", "gemini/gemini-2.0-flash"), ("gemini", "gemini-2.0-flash")),
        (("groq", None), ("groq", None)),
        (("groq", ""), ("groq", "")),
        ((None, "gpt-4o"), (None, "gpt-4o")),
        (("", ""), ("", "")),
        ((None, None), (None, None)),
        (("Nobody", "Nobody/x"), ("Nobody", "Nobody/x")),
        (("OpenAI", "anthropic/claude-haiku-4-5"), ("openai", "anthropic/claude-haiku-4-5")),
        (("OpenAI", "no such model"), ("openai", "no such model")),
        (("GitHub_Models", "github/gpt-4o"), ("github_models", "github/gpt-4o")),
    ],
)
def test_a_saved_choice_is_answered_as_the_lists_write_it(
    saved: tuple[str | None, str | None], answered: tuple[str | None, str | None]
) -> None:
    assert saved_pair(REGISTRY, settings(*saved)) == answered


def test_a_saved_model_belongs_to_the_list_of_its_provider_only() -> None:
    openai, groq = REGISTRY.get("openai"), REGISTRY.get("groq")

    assert saved_model(REGISTRY, None, openai) is None
    assert saved_model(REGISTRY, settings("OpenAI", "openai/gpt-4o"), openai) == "gpt-4o"
    assert saved_model(REGISTRY, settings("OpenAI", "openai/gpt-4o"), groq) is None
    for impossible in ("anthropic/claude-haiku-4-5", "a b", "../x", "x" * 201, "", None):
        assert saved_model(REGISTRY, settings("openai", impossible), openai) is None


def route_or_none(provider: str, model: str) -> Route | None:
    try:
        return REGISTRY.resolve(provider, model)
    except GatewayError:
        return None


@given(
    provider=st.sampled_from(sorted(REGISTRY.providers)),
    model=st.one_of(model_ids, st.text(min_size=1, max_size=12).filter(str.strip)),
)
def test_whatever_can_be_sent_can_be_saved_and_comes_back_as_the_same_route(provider: str, model: str) -> None:
    before = route_or_none(provider, model)

    answered, written = saved_pair(REGISTRY, settings(provider.upper(), model))

    assert answered == provider
    assert written is not None
    assert route_or_none(provider, written) == before
    assert saved_pair(REGISTRY, settings(answered, written)) == (answered, written)
    if before is not None:
        assert written == before.model == saved_model(REGISTRY, settings(provider, model), before.provider)
