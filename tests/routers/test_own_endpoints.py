"""A user's own endpoint: stored with its key, bound to it, and never a way into the operator's network."""

import sqlite3
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from app.config_file import ProviderTable
from app.db.credentials import put_credential
from app.errors import ConfigError
from app.main import create_app
from app.runs.clock import utc_now
from app.secret import Secret
from app.vault import Binding, Sealed, generate_key
from tests.providers.addresses import FORBIDDEN_AUTHORITIES, FORBIDDEN_HOSTS
from tests.routers.gateway import API_KEY, TOKENS, Gateway, assert_error, open_gateway, settings
from tests.server import running
from tests.stream_check import checked_client
from tests.upstream import Answer, Upstream
from tests.voyage_reader import read_cut

PATH = "/api/integrations/api-keys/"
BASE = "https://llm.example.org/v1"


async def _put(gateway: Gateway, api_base: str = BASE, **changes: Any) -> dict[str, Any]:
    body = {"provider": "custom", "api_key": API_KEY, "api_base": api_base} | changes
    response = await gateway.http.post(PATH, json=body)
    assert response.status_code == 201, response.text
    return response.json()


def _failure(stream: bytes) -> str | None:
    events = read_cut(stream, 7).events
    return next((event["error_category"] for event in events if "error_category" in event), None)


async def test_an_endpoint_is_stored_with_its_key_and_used(gateway: Gateway) -> None:
    stored = await _put(gateway, " HTTPS://LLM.Example.org:443/v1/chat/completions/ ")

    assert (stored["provider"], stored["api_base"], stored["status"]) == ("custom", BASE, "ok")
    assert (await gateway.http.get(PATH)).json() == [stored]
    assert (await gateway.http.get(f"{PATH}{stored['id']}/")).json() == stored
    told = await gateway.tell(await gateway.new_conversation(), provider="custom", model="vendor/any-model:1")
    assert told.bubble == "Lisbon is lovely "
    request = gateway.model.requests[-1]
    assert (request.route.base_url, request.route.model, request.route.guarded) == (BASE, "vendor/any-model:1", True)
    assert request.route.provider.api_base == BASE
    assert request.api_key is not None
    assert (request.api_key.reveal(), request.own_key) == (API_KEY, True)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://llm.example.org", BASE),
        ("https://llm.example.org/", BASE),
        ("https://llm.example.org/chat/completions", "https://llm.example.org"),
        ("https://llm.example.org/api/v4/", "https://llm.example.org/api/v4"),
        ("https://93.184.216.34:8443/v1", "https://93.184.216.34:8443/v1"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
        ("https://[2606:4700::1111]/v1/models", "https://[2606:4700::1111]/v1"),
    ],
)
async def test_it_is_kept_in_its_one_form(gateway: Gateway, given: str, kept: str) -> None:
    assert (await _put(gateway, given))["api_base"] == kept

    await gateway.tell(await gateway.new_conversation(), provider="custom", model="m")
    assert gateway.model.requests[-1].route.base_url == kept


async def test_what_leads_inside_is_refused_by_name_and_not_repeated(gateway: Gateway) -> None:
    stored = await _put(gateway)
    one = f"{PATH}{stored['id']}/"
    bad = [
        *(f"https://{host}/v1" for host in FORBIDDEN_HOSTS),
        *(f"https://{authority}/v1" for authority in FORBIDDEN_AUTHORITIES if authority),
        *(
            "http://llm.example.org/v1",
            "http://93.184.216.34/v1",
            "ftp://llm.example.org",
            "llm.example.org",
            "//x",
            "x",
        ),
        *("https://llm.example.org/v1?key=planted", "https://llm.example.org/../v1", "https://llm.example.org/%2e%2e"),
        *("https://" + "a" * 2040 + ".example", "", " ", None, 7, [BASE], {"url": BASE}, True),
    ]
    for api_base in bad:
        body = {"provider": "custom", "api_key": API_KEY, "api_base": api_base}
        for method, path in (("POST", PATH), ("PUT", one), ("PATCH", one)):
            if api_base is None and method == "PATCH":
                continue
            response = await gateway.http.request(method, path, json=body)
            answer = assert_error(response, 400, "validation_error")
            assert answer["api_base"], api_base
            assert "planted" not in response.text

    assert (await gateway.http.get(PATH)).json() == [stored]


async def test_the_field_is_for_the_one_provider_that_needs_it(gateway: Gateway) -> None:
    missing = await gateway.http.post(PATH, json={"provider": "custom", "api_key": API_KEY})
    assert assert_error(missing, 400, "validation_error")["api_base"]
    for provider in ("openai", "local", "google_maps"):
        body = {"provider": provider, "api_key": API_KEY, "api_base": BASE}
        assert assert_error(await gateway.http.post(PATH, json=body), 400, "validation_error")["api_base"]

    plain = await gateway.http.post(PATH, json={"provider": "openai", "api_key": API_KEY})
    assert set(plain.json()) == {"id", "provider", "masked_api_key", "created_at", "updated_at", "status", "check"}


async def test_a_stored_key_does_not_move_to_another_address(gateway: Gateway) -> None:
    stored = await _put(gateway)
    one = f"{PATH}{stored['id']}/"

    for sent in ({}, {"api_base": BASE}, {"api_base": "https://llm.example.org"}, stored):
        same = await gateway.http.patch(one, json=sent)
        assert (same.status_code, same.json()) == (200, stored)
    for sent in ({"api_base": "https://other.example.org/v1"}, {"provider": "openai"}):
        assert assert_error(await gateway.http.patch(one, json=sent), 400, "validation_error")["api_key"]
    renewed = await gateway.http.patch(one, json={"api_key": "sk-new-0123456789abcdefghij"})
    assert (renewed.json()["api_base"], renewed.json()["status"]) == (BASE, "ok")
    moved = await gateway.http.patch(one, json={"api_key": API_KEY, "api_base": "https://other.example.org/v1"})
    assert (moved.json()["api_base"], moved.json()["status"]) == ("https://other.example.org/v1", "ok")
    other = await gateway.http.put(one, json={"provider": "openai", "api_key": API_KEY})
    assert (other.json()["provider"], "api_base" in other.json(), other.json()["status"]) == ("openai", False, "ok")
    back = await gateway.http.patch(one, json={"provider": "custom", "api_key": API_KEY})
    assert assert_error(back, 400, "validation_error")["api_base"]


async def test_who_writes_the_database_cannot_send_the_key_elsewhere(gateway: Gateway) -> None:
    await _put(gateway)
    for column in ("api_base", "origin"):
        with closing(sqlite3.connect(gateway.database_url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(f"UPDATE credentials SET {column} = 'https://evil.example.org'")  # noqa: S608 - named above

        refused = await gateway.send(await gateway.new_conversation(), provider="custom", model="m")
        assert_error(refused, 409, "credential_unreadable")
    assert gateway.model.requests == []


async def test_without_an_endpoint_there_is_nothing_to_call(gateway: Gateway) -> None:
    id_ = await gateway.new_conversation()
    assert_error(await gateway.send(id_, provider="custom", model="m"), 409, "missing_credential")
    assert_error(await gateway.http.get("/api/chat/providers/custom/models/"), 409, "missing_credential")
    assert_error(await gateway.send(id_, provider="custom"), 400, "validation_error")
    (row,) = [row for row in (await gateway.http.get("/api/chat/providers/")).json() if row["id"] == "custom"]
    assert (row["api_base"], row["needs_api_key"], row["default_model"]) == (None, True, None)
    assert (row["instance_configured"], row["user_configured"]) == (False, False)

    await _put(gateway)
    assert_error(await gateway.bob.get("/api/chat/providers/custom/models/"), 409, "missing_credential")


async def test_a_key_that_came_without_an_address_waits_for_one(gateway: Gateway) -> None:
    """An import, or a process of the version before, stores it so."""
    vault = gateway.services.vault
    assert vault is not None

    def seal(row_id: UUID) -> Sealed:
        return vault.seal(Secret(API_KEY), Binding(row_id=row_id, user_id="ada", provider="custom", origin=""))

    async with gateway.services.database.write() as session:
        await put_credential(
            session,
            user_id="ada",
            provider="custom",
            origin="",
            new_id=uuid4(),
            seal=seal,
            mask="***",
            fingerprint="",
            now=utc_now(),
        )

    (listed,) = (await gateway.http.get(PATH)).json()
    assert ("api_base" in listed, listed["status"]) == (False, "unreadable")
    refused = await gateway.send(await gateway.new_conversation(), provider="custom", model="m")
    assert "address" in assert_error(refused, 409, "missing_credential")["error"]
    assert (await gateway.http.patch(f"{PATH}{listed['id']}/", json={})).json() == listed
    alone = await gateway.http.patch(f"{PATH}{listed['id']}/", json={"api_key": API_KEY})
    assert assert_error(alone, 400, "validation_error")["api_base"]
    assert (await _put(gateway))["status"] == "ok"


def test_the_operators_key_is_never_for_an_address_of_users(database_url: str) -> None:
    with pytest.raises(ConfigError, match="VOYAGE_AI_PROVIDER: custom"):
        create_app(
            settings(
                database_url, voyage_ai_provider="custom", voyage_ai_model="m", voyage_ai_api_key=SecretStr("sk-mine")
            )
        )


async def test_an_operator_may_say_where_it_is(database_url: str) -> None:
    tables = {"custom": ProviderTable(api_base="http://10.0.0.7/v1", models=["m"])}
    async with open_gateway(database_url, provider_tables=tables, voyage_ai_provider=None) as gateway:
        body = {"provider": "custom", "api_key": API_KEY}
        assert (await gateway.http.post(PATH, json=body)).json()["status"] == "ok"
        refused = await gateway.http.post(PATH, json=body | {"api_base": BASE})
        assert assert_error(refused, 400, "validation_error")["api_base"]
        await gateway.tell(await gateway.new_conversation(), provider="custom", model="m")

        route = gateway.model.requests[-1].route
        assert (route.base_url, route.guarded) == ("http://10.0.0.7/v1", False)


async def test_the_operators_networks_open_an_endpoint_and_closing_them_closes_it(database_url: str) -> None:
    keys = SecretStr(generate_key())
    headers = {"Authorization": f"Bearer {TOKENS['ada']}"}
    async with Upstream(Answer(texts=("Lisbon ", "is lovely"))) as upstream:
        codes: list[str | None] = []
        connections: list[int] = []
        for networks in ("127.0.0.0/8, fd00::/8", "10.0.0.0/8"):
            app = create_app(settings(database_url, credential_keys=keys, allowed_networks=networks))
            async with running(app) as base_url, checked_client(base_url, headers, timeout=60) as http:
                if not codes:
                    body = {"provider": "custom", "api_key": API_KEY, "api_base": upstream.base_url}
                    assert (await http.post(PATH, json=body)).status_code == 201
                listed = await http.get("/api/chat/providers/custom/models/")
                id_ = (await http.post("/api/chat/conversations/")).json()["id"]
                body = {"message": "Where to?", "provider": "custom", "model": "model-a"}
                sent = await http.post(f"/api/chat/conversations/{id_}/send_message/", json=body)
                connections.append(upstream.connections)
                codes += [listed.json().get("error_category"), _failure(sent.content)]

    assert codes == [None, None, "address_not_allowed", "address_not_allowed"]
    assert connections[0] == connections[1] > 0
    assert upstream.calls[0].api_key == API_KEY
    assert len(upstream.calls) == 1
