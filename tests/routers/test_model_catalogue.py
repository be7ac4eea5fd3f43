"""Models before and during a message: what a list says of them, what it rules out, and what it names instead."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.config_file import ProviderTable
from app.errors import ModelNotFound, Origin
from app.providers.models_cache import KEEP_SECONDS
from tests.routers.gateway import API_KEY, Gateway, assert_error, open_gateway
from tests.runs.scripted import words
from tests.upstream import BY_NAME, Upstream
from tests.upstream.server import refused_port

LISTED = ("gpt-6-luna", "gpt-6-sol", "claude-haiku-4-5", "grok-4.7")


@dataclass
class Desk:
    """A gateway whose model is scripted, with lists at a real upstream; its clock is moved by hand."""

    gateway: Gateway
    upstream: Upstream
    now: float = 0.0

    async def keep_key(self, provider: str = "opencode_zen", key: str = API_KEY, *, client: Any = None) -> None:
        client = client or self.gateway.http
        body = {"provider": provider, "api_key": key}
        assert (await client.post("/api/integrations/api-keys/", json=body)).status_code == 201

    async def models(self, provider: str = "opencode_zen", client: httpx.AsyncClient | None = None) -> httpx.Response:
        return await (client or self.gateway.http).get(f"/api/chat/providers/{provider}/models/")

    async def send(self, model: str | None, provider: str = "opencode_zen") -> httpx.Response:
        body = {"provider": provider} | ({"model": model} if model else {})
        return await self.gateway.send(await self.gateway.new_conversation(), **body)

    @property
    def asked(self) -> list[str]:
        return [request.route.model for request in self.gateway.model.requests]

    async def until_fetched(self, number: int) -> None:
        await self.upstream.until(lambda: len([one for one in self.upstream.requests if one.answered_at]) >= number)


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with Upstream() as upstream:
        upstream.models = LISTED
        names = ("opencode_zen", "openai", "openrouter", "groq", "xai")
        tables = {name: ProviderTable(api_base=f"{upstream.base_url}/v1") for name in names}
        tables["mistral"] = ProviderTable(api_base=f"http://127.0.0.1:{refused_port()}/v1")
        async with open_gateway(database_url, provider_tables=tables, voyage_ai_provider=None) as gateway:
            desk = Desk(gateway, upstream)
            cache = gateway.services.models
            cache._monotonic = cache._answers._monotonic = lambda: desk.now  # pyright: ignore[reportPrivateUsage]  # the application makes its own
            await desk.keep_key()
            yield desk


def failed(response: httpx.Response) -> dict[str, Any]:
    """Give the terminal event of a stream."""
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
    assert events[-1]["type"] == "run.failed"
    return events[-1]


async def test_the_list_tells_more_than_ids(desk: Desk) -> None:
    body = (await desk.models()).json()

    assert body["models"] == sorted(LISTED)
    assert (body["source"], body["age_seconds"], body["stale"], body["warning"]) == ("live", 0, False, None)
    assert [one["id"] for one in body["details"]] == body["models"]
    assert {one["id"]: one for one in body["details"]}["gpt-6-luna"] == {
        "id": "gpt-6-luna",
        "label": "gpt-6-luna",
        "context_tokens": 1_050_000,
        "max_output_tokens": None,
        "tools": True,
        "price": {"input": 0.1, "output": 0.5},
        "status": "available",
        "family": "openai_responses",
        "source": "live",
    }
    assert {one["id"]: one["family"] for one in body["details"]}["claude-haiku-4-5"] == "anthropic_messages"


async def test_a_default_model_that_the_list_has_not_is_named_in_a_warning(desk: Desk) -> None:
    desk.upstream.models = ("gpt-6-sol",)

    body = (await desk.models()).json()

    assert body["models"] == ["gpt-6-luna", "gpt-6-sol"]
    assert body["warning"] == "The default model gpt-6-luna is not in the list of OpenCode Zen."
    assert [one["source"] for one in body["details"]] == ["snapshot", "live"]


async def test_a_stale_list_says_its_age(desk: Desk) -> None:
    await desk.models()
    desk.now = KEEP_SECONDS + 10
    desk.upstream.models_fault = BY_NAME["err503ra"]

    first = (await desk.models()).json()
    await desk.until_fetched(2)
    second = (await desk.models()).json()

    for body in (first, second):
        assert (body["source"], body["stale"], body["age_seconds"]) == ("live", True, KEEP_SECONDS + 10)
        assert body["models"] == sorted(LISTED)
    assert first["warning"] is None


async def test_offline_the_snapshot_stands_in_and_says_so(desk: Desk) -> None:
    await desk.keep_key("mistral")

    body = (await desk.models("mistral")).json()

    assert body["models"] == ["mistral-large-latest", "mistral-small-latest"]
    assert (body["source"], body["stale"], body["age_seconds"]) == ("snapshot", True, None)
    assert body["warning"] == (
        "Mistral cannot be reached: the connection was refused. "
        "These are the models that were known on 22 November 2026."
    )


async def test_a_model_that_has_ended_is_marked(desk: Desk) -> None:
    saved = {"preferred_provider": "groq", "preferred_model": "llama-3.3-70b-versatile"}
    assert (await desk.gateway.http.post("/api/integrations/ai-settings/", json=saved)).status_code == 200
    await desk.keep_key("groq")
    desk.upstream.models = ("openai/gpt-oss-120b",)

    body = (await desk.models("groq")).json()

    assert [(one["id"], one["status"]) for one in body["details"]] == [
        ("openai/gpt-oss-120b", "available"),
        ("llama-3.3-70b-versatile", "retired"),
    ]


async def test_a_model_that_the_callers_list_has_not_is_refused_before_any_call(desk: Desk) -> None:
    await desk.models()
    rows = desk.gateway.rows() | {"conversations": 1}

    body = assert_error(await desk.send("gpt-6-lunar"), 404, "model_not_found")

    assert body["error"] == (
        "OpenCode Zen does not know the model gpt-6-lunar. "
        "Try gpt-6-luna or gpt-6-sol, or choose another one from the list."
    )
    assert body["error_detail"]["did_you_mean"] == ["gpt-6-luna", "gpt-6-sol"]
    assert (body["error_detail"]["phase"], body["error_detail"]["fault"]) == ("request", "caller")
    assert desk.asked == []
    assert len(desk.upstream.requests) == 1
    assert desk.gateway.rows() == rows, "nothing is stored"


async def test_the_shipped_default_is_refused_too_where_the_list_has_it_not(desk: Desk) -> None:
    desk.upstream.models = ("gpt-6-sol",)
    await desk.models()

    body = assert_error(await desk.send(None), 404, "model_not_found")

    assert body["error_detail"]["did_you_mean"] == ["gpt-6-sol"]


async def test_what_the_operator_has_named_is_tried_whatever_the_list_says(database_url: str) -> None:
    async with Upstream() as upstream:
        upstream.models = LISTED
        tables = {"openai": ProviderTable(api_base=f"{upstream.base_url}/v1", default_model="our-own")}
        changes = {"voyage_ai_provider": "openai", "voyage_ai_model": "our-other", "voyage_ai_api_key": API_KEY}
        async with open_gateway(database_url, provider_tables=tables, **changes) as gateway:
            listed = (await gateway.http.get("/api/chat/providers/openai/models/")).json()
            assert set(LISTED) < set(listed["models"])
            for model in ("our-own", "our-other"):
                await gateway.tell(await gateway.new_conversation(), provider="openai", model=model)
            refused = await gateway.send(await gateway.new_conversation(), provider="openai", model="not-ours")

            assert_error(refused, 404, "model_not_found")
            assert [request.route.model for request in gateway.model.requests] == ["our-own", "our-other"]


@pytest.mark.parametrize("reason", ["missing", "failed", "empty", "stale"])
async def test_a_list_that_cannot_be_believed_refuses_nothing(desk: Desk, reason: str) -> None:
    match reason:
        case "failed":
            desk.upstream.models_fault = BY_NAME["err500"]
            assert (await desk.models()).status_code == 502
        case "empty":
            desk.upstream.models = ()
            await desk.models()
        case "stale":
            await desk.models()
            desk.now = KEEP_SECONDS + 1
        case _:
            pass

    with capture_logs() as logs:
        response = await desk.send("no-such-model")

    assert response.status_code == 200
    assert desk.asked == ["no-such-model"]
    warned = [line["reason"] for line in logs if line["event"] == "model_not_checked"]
    assert warned == [reason]


@pytest.mark.parametrize("provider", ["openrouter", "xai"])
async def test_a_provider_whose_list_may_leave_models_out_refuses_nothing(desk: Desk, provider: str) -> None:
    await desk.keep_key(provider)
    desk.upstream.models = ("vendor/known",) if provider == "openrouter" else LISTED
    await desk.models(provider)

    model = "vendor/not-listed:online" if provider == "openrouter" else "grok-unlisted"
    assert (await desk.send(model, provider)).status_code == 200
    assert (await desk.send("openrouter/auto" if provider == "openrouter" else "grok-9", provider)).status_code == 200

    assert len(desk.asked) == 2


async def test_an_unknown_list_is_fetched_beside_the_message_for_the_next_one(desk: Desk) -> None:
    assert (await desk.send("no-such-model")).status_code == 200
    await desk.until_fetched(1)

    assert_error(await desk.send("no-such-model"), 404, "model_not_found")
    assert desk.asked == ["no-such-model"]
    assert len(desk.upstream.requests) == 1


async def test_a_model_that_the_gateway_ships_costs_no_list(desk: Desk) -> None:
    for model in (None, "gpt-6-sol", "claude-haiku-4-5"):
        assert (await desk.send(model)).status_code == 200

    assert desk.upstream.requests == []


async def test_the_providers_own_refusal_names_the_callers_models(desk: Desk) -> None:
    origin = Origin(provider="opencode_zen", label="OpenCode Zen", model="gpt-6-luna")
    desk.gateway.model.play([ModelNotFound(origin=origin)], words("Fine."))
    desk.upstream.models = ("gpt-6-sol", "claude-haiku-4-5")

    told = failed(await desk.send(None, "opencode_zen"))

    assert told["error_category"] == "model_not_found"
    assert told["error_detail"]["did_you_mean"] == ["gpt-6-sol"]
    assert "Try gpt-6-sol, or choose another one from the list." in told["error"]
    assert len(desk.upstream.requests) == 1, "fetched while the person waits for bad news anyway"
    assert_error(await desk.send(None), 404, "model_not_found")


async def test_without_a_list_the_refusal_stays_as_it_is(desk: Desk) -> None:
    origin = Origin(provider="mistral", label="Mistral", model="mistral-small-latest")
    desk.gateway.model.play([ModelNotFound(origin=origin)])
    await desk.keep_key("mistral")

    told = failed(await desk.send(None, "mistral"))

    assert told["error_detail"]["did_you_mean"] == []
    assert told["error"].endswith("Choose a model from the provider's list.")


async def test_nobody_is_told_of_anothers_models(desk: Desk) -> None:
    await desk.keep_key(key=f"{API_KEY}-of-bob", client=desk.gateway.bob)
    desk.upstream.models = ("gpt-6-secret", "gpt-6-luna")
    await desk.models(client=desk.gateway.bob)
    desk.upstream.models = ("gpt-6-sol", "gpt-6-luna")
    await desk.models()

    body = assert_error(await desk.send("gpt-6-secrets"), 404, "model_not_found")
    own = assert_error(await desk.send("gpt-6-secret"), 404, "model_not_found")

    for one in (body, own):
        assert "gpt-6-secret" not in one["error_detail"]["did_you_mean"]
    assert (await desk.models()).json()["models"] == ["gpt-6-luna", "gpt-6-sol"]
