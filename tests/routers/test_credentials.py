from typing import Any

import pytest
from pydantic import SecretStr

from app.config_file import ProviderTable
from app.providers.catalog import CATALOG
from app.vault import generate_key
from tests.routers.gateway import API_KEY, UNKNOWN_ID, Gateway, assert_error, open_gateway

PATH = "/api/integrations/api-keys/"


async def _put(gateway: Gateway, provider: str = "openai", api_key: str = API_KEY) -> dict[str, Any]:
    response = await gateway.http.post(PATH, json={"provider": provider, "api_key": api_key})
    assert response.status_code == 201, response.text
    return response.json()


async def test_a_key_lives_and_never_comes_back(gateway: Gateway) -> None:
    stored = await _put(gateway, "  OpenAI ", f" {API_KEY}\n")
    replaced = await _put(gateway, api_key="sk-other-0123456789abcdefghij")
    await _put(gateway, "google_maps")

    assert set(stored) == {"id", "provider", "masked_api_key", "created_at", "updated_at", "status", "check"}
    assert (stored["provider"], stored["masked_api_key"], stored["status"]) == ("openai", "sk-********hij", "ok")
    assert (replaced["id"], replaced["created_at"]) == (stored["id"], stored["created_at"])
    listed = await gateway.http.get(PATH)
    assert [line["provider"] for line in listed.json()] == ["google_maps", "openai"]
    assert API_KEY not in listed.text

    one = f"{PATH}{stored['id']}/"
    assert (await gateway.http.get(one)).json() == replaced
    assert (await gateway.http.delete(one)).status_code == 204
    assert_error(await gateway.http.get(one), 404, "not_found")


async def test_a_key_is_changed(gateway: Gateway) -> None:
    stored = await _put(gateway)
    await _put(gateway, "groq")
    one = f"{PATH}{stored['id']}/"

    same = await gateway.http.patch(one, json={})
    assert (same.status_code, same.json()) == (200, stored)
    sent_back = await gateway.http.patch(one, json={key: stored[key] for key in ("id", "provider", "masked_api_key")})
    assert sent_back.json() == stored
    moved = await gateway.http.put(one, json={"provider": "Mistral", "api_key": "key-of-mistral-0123456789"})
    assert (moved.json()["id"], moved.json()["provider"]) == (stored["id"], "mistral")

    alone = assert_error(await gateway.http.patch(one, json={"provider": "openai"}), 400, "validation_error")
    assert alone["api_key"]
    taken = await gateway.http.patch(one, json={"provider": "groq", "api_key": API_KEY})
    assert assert_error(taken, 400, "validation_error")["provider"]
    assert assert_error(await gateway.http.put(one, json={}), 400, "validation_error")["api_key"]
    assert (await gateway.http.get(one)).json() == moved.json()


async def test_bad_keys_are_named_and_never_repeated(gateway: Gateway) -> None:
    stored = await _put(gateway)
    bad = [
        *(
            "",
            "   ",
            "sk-canary with-spaces",
            "sk-canary\r\nX-Evil: 1",
            "sk-canary-\u200bzero-width",
            "ключ-canary",
        ),
        *("x" * 513, stored["masked_api_key"], "********", None, 7, ["sk-canary-0123"], {"key": "sk-canary"}, True),
    ]
    for api_key in bad:
        for method, path in (("POST", PATH), ("PUT", f"{PATH}{stored['id']}/"), ("PATCH", f"{PATH}{stored['id']}/")):
            if api_key is None and method == "PATCH":
                continue
            response = await gateway.http.request(method, path, json={"provider": "openai", "api_key": api_key})
            assert assert_error(response, 400, "validation_error")["api_key"]
            assert "canary" not in response.text

    for provider in ("", " ", "x" * 101, None, 7, ["openai"]):
        response = await gateway.http.post(PATH, json={"provider": provider, "api_key": API_KEY})
        assert assert_error(response, 400, "validation_error")["provider"]
    misspelt = assert_error(
        await gateway.http.post(PATH, json={"provider": "x", "apikey": API_KEY}), 400, "validation_error"
    )
    assert misspelt["error_detail"]["did_you_mean"] == ["api_key"]
    assert misspelt["apikey"] == ["There is no such field; did you mean api_key?"]
    assert (await gateway.http.get(PATH)).json() == [stored]


async def test_what_is_not_mine_is_not_there(gateway: Gateway) -> None:
    stored = await _put(gateway)

    assert (await gateway.bob.get(PATH)).json() == []
    for id_ in (stored["id"], UNKNOWN_ID, "nonsense"):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            body = {"provider": "openai", "api_key": "sk-of-bob-0123456789"} if method in {"PUT", "PATCH"} else None
            assert_error(await gateway.bob.request(method, f"{PATH}{id_}/", json=body), 404, "not_found")
    assert (await gateway.http.get(PATH)).json() == [stored]


@pytest.mark.parametrize("change", ["master key", "address"])
async def test_a_key_that_cannot_be_opened_is_listed_refused_and_healed(database_url: str, change: str) -> None:
    keys = SecretStr(generate_key())
    tables = {"acme": ProviderTable(api_base="https://a.example/v1", models=["acme-1"])}
    async with open_gateway(database_url, credential_keys=keys, provider_tables=tables, voyage_ai_provider=None) as one:
        stored = await _put(one, "acme")
    if change == "master key":
        keys = SecretStr(generate_key())
    else:
        tables = {"acme": ProviderTable(api_base="https://b.example/v1", models=["acme-1"])}

    async with open_gateway(database_url, credential_keys=keys, provider_tables=tables, voyage_ai_provider=None) as two:
        assert (await two.http.get(PATH)).json() == [stored | {"status": "unreadable"}]
        ready = (await two.http.get("/health/ready")).json()
        assert ready["unreadable_credentials"] == (1 if change == "master key" else 0)
        id_ = await two.new_conversation()
        assert_error(await two.send(id_, provider="acme"), 409, "credential_unreadable")
        assert_error(await two.http.get("/api/chat/providers/acme/models/"), 409, "credential_unreadable")
        assert (await _put(two, "acme"))["status"] == "ok"
        assert (await two.tell(id_, provider="acme")).bubble == "Lisbon is lovely "


async def test_a_stored_key_is_the_one_that_is_used(gateway: Gateway) -> None:
    for provider in CATALOG:
        if provider.retired is None and provider.default_model is not None:
            await _put(gateway, provider.id)
            await gateway.tell(await gateway.new_conversation(), provider=provider.id)
            api_key = gateway.model.requests[-1].api_key
            assert api_key is not None
            assert api_key.reveal() == API_KEY
