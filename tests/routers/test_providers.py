from pydantic import SecretStr

from app.config_file import ProviderTable
from tests.routers.gateway import API_KEY, Gateway, assert_error, open_gateway
from tests.upstream.server import Upstream

PATH = "/api/chat/providers/"
FIELDS = {
    *("id", "label", "available_for_chat", "needs_api_key"),
    *("default_model", "api_base", "instance_configured", "user_configured"),
}


async def test_the_list_is_bare_and_has_the_eight_fields(gateway: Gateway) -> None:
    await gateway.http.post("/api/integrations/api-keys/", json={"provider": "groq", "api_key": API_KEY})

    rows = (await gateway.http.get(PATH)).json()
    listed = {row["id"]: row for row in rows}

    assert all(set(row) == FIELDS for row in rows)
    assert {row["id"] for row in rows if row["user_configured"]} == {"groq"}
    assert {row["id"] for row in rows if row["instance_configured"]} == {"local"}
    assert listed["local"] | {"label": "Local", "default_model": "local-1", "needs_api_key": False} == listed["local"]
    assert listed["local"]["api_base"] is None
    assert listed["openai"]["available_for_chat"]
    assert not listed["github_models"]["available_for_chat"]
    assert not any(row["user_configured"] for row in (await gateway.bob.get(PATH)).json())
    assert_error(await gateway.http.post(PATH, json={}), 405, "validation_error")


async def test_disabled_ones_are_left_out_and_the_operators_key_counts(database_url: str) -> None:
    changes = {
        "provider_tables": {"openrouter": ProviderTable(enabled=False)},
        "voyage_ai_provider": "Mistral",
        "voyage_ai_api_key": SecretStr("key-of-the-operator"),
    }
    async with open_gateway(database_url, **changes) as gateway:
        listed = {row["id"]: row for row in (await gateway.http.get(PATH)).json()}
        assert "openrouter" not in listed
        assert [id_ for id_, row in listed.items() if row["instance_configured"]] == ["mistral"]
        assert_error(await gateway.http.get(f"{PATH}openrouter/models/"), 400, "provider_not_available")

        await gateway.tell(await gateway.new_conversation())
        request = gateway.model.requests[0]
        assert request.route.provider.id == "mistral"
        assert request.api_key is not None
        assert request.api_key.reveal() == "key-of-the-operator"


async def test_models_are_asked_for_with_the_callers_key(database_url: str) -> None:
    async with Upstream() as upstream:
        upstream.models = ["model-b", "model-a"]
        tables = {"openai": ProviderTable(api_base=f"{upstream.base_url}/v1", default_model="model-z")}
        async with open_gateway(database_url, provider_tables=tables, voyage_ai_provider=None) as gateway:
            assert_error(await gateway.http.get(f"{PATH}openai/models/"), 409, "missing_credential")
            assert upstream.requests == []
            await gateway.http.post("/api/integrations/api-keys/", json={"provider": "openai", "api_key": API_KEY})

            response = await gateway.http.get(f"{PATH}OpenAI/models", params={"format": "json"})

            assert (response.status_code, response.json()["models"]) == (200, ["model-z", "model-a", "model-b"])
            assert upstream.requests[0].headers["authorization"] == f"Bearer {API_KEY}"
            for model in response.json()["models"]:
                await gateway.tell(await gateway.new_conversation(), provider="openai", model=model)
            assert [request.route.model for request in gateway.model.requests] == ["model-z", "model-a", "model-b"]


async def test_a_provider_without_a_default_model_lists_what_it_has(database_url: str) -> None:
    async with Upstream() as upstream:
        upstream.models = ["model-b", "model-a"]
        tables = {"lmstudio": ProviderTable(api_base=f"{upstream.base_url}/v1")}
        async with open_gateway(database_url, provider_tables=tables, voyage_ai_provider=None) as gateway:
            response = await gateway.http.get(f"{PATH}lmstudio/models/")

    assert (response.status_code, response.json()["models"]) == (200, ["model-a", "model-b"])


async def test_a_list_is_asked_for_once_and_for_each_key_apart(database_url: str) -> None:
    async with Upstream() as upstream:
        upstream.models = ["model-a"]
        tables = {"openai": ProviderTable(api_base=f"{upstream.base_url}/v1", default_model="model-a")}
        async with open_gateway(database_url, provider_tables=tables, voyage_ai_provider=None) as gateway:
            for client, api_key in ((gateway.http, API_KEY), (gateway.bob, f"{API_KEY}-of-bob")):
                await client.post("/api/integrations/api-keys/", json={"provider": "openai", "api_key": api_key})
            for client in (gateway.http, gateway.http, gateway.bob, gateway.bob):
                assert (await client.get(f"{PATH}openai/models/")).json()["models"] == ["model-a"]
            upstream.models = ["model-b"]
            replaced = {"provider": "openai", "api_key": f"{API_KEY}-new"}
            await gateway.http.post("/api/integrations/api-keys/", json=replaced)
            assert (await gateway.http.get(f"{PATH}openai/models/")).json()["models"] == ["model-a", "model-b"]

        sent = [request.headers["authorization"].removeprefix(f"Bearer {API_KEY}") for request in upstream.requests]
        assert sent == ["", "-of-bob", "-new"]


async def test_the_callers_saved_model_is_in_the_list_of_its_provider(database_url: str) -> None:
    tables = {
        name: ProviderTable(api_base="http://127.0.0.1:9/v1", models=["model-a"], needs_api_key=False)
        for name in ("openai", "mistral")
    }
    default = {"openai": "gpt-6-luna", "mistral": "mistral-small-latest"}
    async with open_gateway(database_url, provider_tables=tables, voyage_ai_provider=None) as gateway:
        for saved, added in (
            ("openai/gpt-4o", ["gpt-4o"]),
            ("model-a", []),
            ("gpt-6-luna", []),
            ("anthropic/claude-haiku-4-5", []),
            ("no model", []),
            ("", []),
            (None, []),
        ):
            body = {"preferred_provider": "OpenAI", "preferred_model": saved}
            assert (await gateway.http.post("/api/integrations/ai-settings/", json=body)).status_code == 200
            for client, provider, more in (
                (gateway.http, "openai", added),
                (gateway.http, "mistral", []),
                (gateway.bob, "openai", []),
            ):
                listed = (await client.get(f"{PATH}{provider}/models/")).json()["models"]
                assert listed == [default[provider], "model-a", *more]


async def test_a_list_that_cannot_be_had_says_why(gateway: Gateway) -> None:
    assert_error(await gateway.http.get(f"{PATH}nosuch/models/"), 400, "provider_not_available")
    assert_error(await gateway.http.get(f"{PATH}github_models/models/"), 410, "provider_retired")
    assert (await gateway.http.get(f"{PATH}local/models/")).json()["models"] == ["local-1", "local-2"]
    assert_error(await gateway.http.get(f"{PATH}..%2f..%2fetc/models/"), 404, "not_found")
