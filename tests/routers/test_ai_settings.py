import asyncio
from typing import Any

import pytest

from app.config_file import ProviderTable
from tests.routers.gateway import UNKNOWN_ID, Gateway, assert_error, open_gateway

PATH = "/api/integrations/ai-settings/"


async def _put(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    response = await gateway.http.post(PATH, json=fields)
    assert response.status_code == 200, response.text
    return response.json()


async def test_settings_live_as_the_settings_page_uses_them(gateway: Gateway) -> None:
    assert (await gateway.http.get(PATH)).json() == []

    stored = await _put(gateway, preferred_provider=" local ", preferred_model=None)
    assert set(stored) == {"id", "preferred_provider", "preferred_model", "fallbacks", "created_at", "updated_at"}
    assert (stored["preferred_provider"], stored["preferred_model"]) == ("local", None)
    assert stored["created_at"].endswith("Z")
    chosen = await _put(gateway, preferred_model=" local-2 ")
    assert chosen == stored | {"preferred_model": "local-2", "updated_at": chosen["updated_at"]}
    assert chosen["updated_at"] > stored["updated_at"]
    listed = await gateway.http.get(PATH.removesuffix("/"), params={"format": "json"})
    assert (listed.status_code, listed.json()) == (200, [chosen])

    one = f"{PATH}{stored['id']}/"
    assert (await gateway.http.get(one)).json() == chosen
    deleted = await gateway.http.delete(one)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert_error(await gateway.http.get(one), 404, "not_found")
    assert (await gateway.http.get(PATH)).json() == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_only_what_is_given_changes(gateway: Gateway, method: str) -> None:
    stored = await _put(gateway, preferred_provider="local", preferred_model="local-2")
    path = PATH if method == "POST" else f"{PATH}{stored['id']}/"
    now = {"preferred_provider": "local", "preferred_model": "local-2"}

    for change in (
        {},
        {"preferred_provider": None},
        {"preferred_model": ""},
        {"preferred_provider": "", "preferred_model": None},
        {"preferred_provider": "openai", "preferred_model": "gpt-4o"},
        {"id": UNKNOWN_ID, "created_at": "1970-01-01T00:00:00Z", "updated_at": None},
    ):
        now |= {name: change[name] for name in now if name in change}
        response = await gateway.http.request(method, path, json=change)
        assert (response.status_code, response.json() | now) == (200, response.json())
        assert [response.json()[name] for name in ("id", "created_at")] == [stored["id"], stored["created_at"]]
        assert (await gateway.http.get(PATH)).json() == [response.json()]


async def test_bad_settings_are_named(gateway: Gateway) -> None:
    stored = await _put(gateway, preferred_provider="local")

    for method, path in (("POST", PATH), ("PUT", f"{PATH}{stored['id']}/"), ("PATCH", f"{PATH}{stored['id']}/")):
        for field, limit in (("preferred_provider", 100), ("preferred_model", 200)):
            for value in ("x" * (limit + 1), 7, True, ["local"], {"id": "local"}):
                response = await gateway.http.request(method, path, json={field: value})
                assert assert_error(response, 400, "validation_error")[field]
        misspelt = await gateway.http.request(method, path, json={"prefered_model": "x"})
        assert assert_error(misspelt, 400, "validation_error")["error_detail"]["did_you_mean"] == ["preferred_model"]
        assert_error(await gateway.http.request(method, path, json=[]), 400, "validation_error")
    assert (await gateway.http.get(PATH)).json() == [stored]

    widest = {"preferred_provider": "x" * 100, "preferred_model": "y" * 200}
    assert (await _put(gateway, **widest)) | widest == (await gateway.http.get(PATH)).json()[0]


async def test_what_is_not_mine_is_not_there(gateway: Gateway) -> None:
    stored = await _put(gateway, preferred_provider="local")

    assert (await gateway.bob.get(PATH)).json() == []
    for id_ in (stored["id"], UNKNOWN_ID, "nonsense"):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            body = {"preferred_provider": "openai"} if method in {"PUT", "PATCH"} else None
            assert_error(await gateway.bob.request(method, f"{PATH}{id_}/", json=body), 404, "not_found")
    bobs = (await gateway.bob.post(PATH, json={"preferred_provider": "groq"})).json()
    assert bobs["id"] != stored["id"]
    assert (await gateway.http.get(PATH)).json() == [stored]
    assert_error(await gateway.http.delete(PATH), 405, "validation_error")


async def test_first_settings_that_arrive_at_once_make_one_row(gateway: Gateway) -> None:
    ids = await asyncio.gather(*(_put(gateway, preferred_provider="local") for _ in range(10)))

    assert len({row["id"] for row in ids}) == 1
    assert len((await gateway.http.get(PATH)).json()) == 1


async def test_a_saved_model_is_answered_listed_and_used_in_one_form(database_url: str) -> None:
    tables = {
        name: ProviderTable(api_base="http://127.0.0.1:9/v1", models=[own], needs_api_key=False)
        for name, own in (("openai", "gpt-4o"), ("groq", "groq/compound"), ("opencode_zen", "gpt-5-nano"))
    }
    saved = {
        ("OpenAI", "openai/gpt-4o"): ("openai", "gpt-4o"),
        ("llmproviders.groq", "compound"): ("groq", "groq/compound"),
        ("opencode_zen", "openai/gpt-5-nano"): ("opencode_zen", "gpt-5-nano"),
    }
    async with open_gateway(database_url, provider_tables=tables, voyage_ai_provider=None) as gateway:
        for (provider, model), answered in saved.items():
            row = await _put(gateway, preferred_provider=provider, preferred_model=model)
            assert (row["preferred_provider"], row["preferred_model"]) == answered
            listed = (await gateway.http.get(f"/api/chat/providers/{answered[0]}/models/")).json()["models"]
            assert answered[1] in listed

            id_ = await gateway.new_conversation()
            for fields in ({}, {"provider": answered[0], "model": answered[1]}, {"provider": provider, "model": model}):
                await gateway.tell(id_, **fields)
                route = gateway.model.requests[-1].route
                assert (route.provider.id, route.model) == answered


async def test_a_saved_model_of_somebody_else_is_refused_by_name(gateway: Gateway) -> None:
    await _put(gateway, preferred_provider="openai", preferred_model="anthropic/claude-haiku-4-5")

    refused = assert_error(await gateway.send(await gateway.new_conversation()), 400, "invalid_model_for_provider")

    assert "anthropic" in refused["error"]


async def test_fallbacks_are_kept_in_order_and_taken_away_again(gateway: Gateway) -> None:
    two = [{"provider": " groq ", "model": " compound "}, {"provider": "openai"}]
    kept = [{"provider": "groq", "model": "compound"}, {"provider": "openai", "model": None}]

    stored = await _put(gateway, preferred_provider="local", fallbacks=two)
    assert (stored["preferred_provider"], stored["fallbacks"]) == ("local", kept)
    assert (await _put(gateway, preferred_model="local-2"))["fallbacks"] == kept, "what the settings page sends"
    assert (await gateway.http.get(PATH)).json()[0]["fallbacks"] == kept
    assert (await _put(gateway, fallbacks=None))["fallbacks"] == []
    await _put(gateway, fallbacks=two)
    assert (await _put(gateway, fallbacks=[]))["fallbacks"] == []


@pytest.mark.parametrize(
    ("fallbacks", "field"),
    [
        ([{"provider": "a"}] * 4, "fallbacks"),
        ([{"provider": ""}], "fallbacks"),
        ([{"model": "m"}], "fallbacks"),
        ([{"provider": "a", "modell": "m"}], "modell"),
        ([{"provider": "a", "model": "m" * 201}], "fallbacks"),
        (["groq"], "fallbacks"),
        ("groq", "fallbacks"),
    ],
)
async def test_bad_fallbacks_are_named(gateway: Gateway, fallbacks: object, field: str) -> None:
    response = await gateway.http.post(PATH, json={"fallbacks": fallbacks})

    body = assert_error(response, 400, "validation_error")
    assert any(field in name for name in body["error_detail"]["fields"]), body["error_detail"]["fields"]


@pytest.mark.parametrize(
    ("entry", "field", "says"),
    [
        ({"provider": "nonsense"}, "provider", "not available"),
        ({"provider": "opena"}, "provider", "not available"),
        ({"provider": "github_models"}, "provider", "was shut down"),
        ({"provider": "gro q"}, "provider", "blanks"),
        ({"provider": "groq\x1f"}, "provider", "blanks"),
        ({"provider": "groq", "model": "a b"}, "model", "blanks"),
        ({"provider": "groq", "model": "a\x07b"}, "model", "blanks"),
        ({"provider": "groq", "model": "a\x1f"}, "model", "blanks"),
        ({"provider": "groq", "model": "a\u00a0b"}, "model", "blanks"),
        ({"provider": "groq", "model": "../a"}, "model", "letters"),
        ({"provider": "groq", "model": "anthropic/claude-haiku-4-5"}, "model", "groq/claude-haiku-4-5"),
        ({"provider": "custom"}, "model", "no default model"),
        ({"provider": "custom", "model": " "}, "model", "no default model"),
    ],
)
async def test_a_fallback_that_cannot_be_used_is_refused_by_its_field(
    gateway: Gateway, entry: dict[str, str], field: str, says: str
) -> None:
    stored = await _put(gateway, preferred_provider="local", fallbacks=[{"provider": "openai"}])
    name = f"fallbacks.1.{field}"

    for method, path in (("POST", PATH), ("PUT", f"{PATH}{stored['id']}/"), ("PATCH", f"{PATH}{stored['id']}/")):
        response = await gateway.http.request(method, path, json={"fallbacks": [{"provider": "openai"}, entry]})
        body = assert_error(response, 400, "validation_error")

        assert says in body[name][0]
        assert body["error_detail"]["fields"] == {name: body[name]}
        assert body["error_detail"]["message"] == f"{name}: {body[name][0]}"
    assert (await gateway.http.get(PATH)).json() == [stored]


async def test_a_fallback_may_be_an_endpoint_of_ones_own_with_its_model(gateway: Gateway) -> None:
    entry = {"provider": "custom", "model": "mine"}

    assert (await _put(gateway, fallbacks=[entry]))["fallbacks"] == [entry]
