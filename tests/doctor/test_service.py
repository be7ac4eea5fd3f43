"""Over HTTP: the same diagnosis for callers, and one that is kept with each saved key."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.config_file import ProviderTable
from app.errors import AuthenticationFailed
from app.settings import load_settings
from tests.doctor.site import KEY, Site, api, fixed, hang, open_site, zen_like
from tests.routers.gateway import API_KEY, Gateway, assert_error, open_gateway
from tests.runs.scripted import words
from tests.upstream import Exchange

KEYS = "/api/integrations/api-keys/"


def path(provider: str = "groq") -> str:
    return f"/api/chat/providers/{provider}/diagnose/"


def found(report: dict[str, Any]) -> dict[str, str]:
    return {step["step"]: step["status"] for step in report["steps"]}


def tables(site: Site, path: str = "/v1") -> dict[str, ProviderTable]:
    """Two of the catalogue's rows at the site, one of them under another name of the operator's."""
    return {
        "groq": ProviderTable(api_base=site.url(path), default_model="gpt-5-nano"),
        "opencode_zen": ProviderTable(api_base=site.url(path), default_model="gpt-5-nano"),
        "local": ProviderTable(api_base="http://127.0.0.1:9/v1", models=["local-1"], needs_api_key=False),
    }


@asynccontextmanager
async def open_beside(site: Site, database_url: str, **changes: Any) -> AsyncGenerator[Gateway]:
    given = {"provider_tables": tables(site), "check_saved_keys": True} | changes
    async with open_gateway(database_url, words("1 2 3"), **given) as gateway:
        yield gateway


async def save(gateway: Gateway, key: str = KEY, provider: str = "groq") -> dict[str, Any]:
    stored = await gateway.http.post(KEYS, json={"provider": provider, "api_key": key})
    assert stored.status_code == 201, stored.text
    assert stored.json()["check"] is None, "a look is never waited for"
    return stored.json()


async def checked(gateway: Gateway, id_: str) -> dict[str, Any] | None:
    async with asyncio.timeout(20):
        await gateway.services.doctor.idle()
    answer = (await gateway.http.get(f"{KEYS}{id_}/")).json()
    assert answer["check"] == (await gateway.http.get(KEYS)).json()[0]["check"]
    return answer["check"]


async def test_a_caller_gets_the_steps(database_url: str) -> None:
    async with open_site(api()) as site, open_beside(site, database_url, check_saved_keys=False) as gateway:
        await save(gateway)
        for body in (None, {}, {"model": " "}, {"spend": False}):
            answer = await gateway.http.post(path(), json=body)

            assert answer.status_code == 200, answer.text
            report = answer.json()
            assert (report["provider"], report["model"], report["wire"]) == ("groq", "gpt-5-nano", "openai_chat")
            assert (report["status"], report["failed_step"], report["spend"]) == ("pass", None, False)
            assert (found(report)["key_opens"], found(report)["auth"], found(report)["stream"]) == (
                "pass",
                "pass",
                "skip",
            )
            assert KEY not in answer.text
            assert "127.0.0.1" not in answer.text, "the address of the operator's provider"
        assert gateway.model.requests == []
        assert site.posted == []


async def test_tokens_are_spent_when_asked_for(database_url: str) -> None:
    async with open_site(api()) as site, open_beside(site, database_url, check_saved_keys=False) as gateway:
        await save(gateway)
        report = (await gateway.http.post(path(), json={"spend": True, "tools": True})).json()

        assert (found(report)["stream"], found(report)["tool_call"]) == ("pass", "warn")
        keys = [request.api_key.reveal() for request in gateway.model.requests if request.api_key]
        assert keys == [KEY, KEY]
        assert [request.max_output_tokens for request in gateway.model.requests] == [64, 256]


async def test_what_the_model_client_fails_with_is_what_a_message_fails_with(database_url: str) -> None:
    async with open_site(zen_like()) as site:
        at_zen = tables(site, "/zen/v1")
        async with open_beside(site, database_url, provider_tables=at_zen, check_saved_keys=False) as gateway:
            gateway.model.play([AuthenticationFailed()])
            await save(gateway, "sk-wrong-0123456789abcdef", "opencode_zen")

            free = (await gateway.http.post(path("opencode_zen"))).json()
            report = (await gateway.http.post(path("opencode_zen"), json={"spend": True})).json()
            sent = await gateway.tell(await gateway.new_conversation(), provider="opencode_zen", model="gpt-5-nano")

        assert (free["status"], found(free)["auth"]) == ("warn", "warn")
        assert (report["failed_step"], report["steps"][-2]["code"]) == ("auth", "authentication_failed")
        assert sent.bubble.startswith("The provider refused the API key.")


async def test_without_a_key_the_way_is_looked_at_all_the_same(database_url: str) -> None:
    async with open_site(api()) as site, open_beside(site, database_url) as gateway:
        report = (await gateway.http.post(path(), json={"spend": True})).json()

        assert report["failed_step"] == "key_stored"
        assert report["steps"][0]["code"] == "missing_credential"
        assert (found(report)["http"], found(report)["auth"], found(report)["stream"]) == ("pass", "skip", "skip")
        id_ = await gateway.new_conversation()
        assert_error(await gateway.send(id_, provider="groq"), 409, "missing_credential")


async def test_a_key_that_cannot_be_opened(database_url: str) -> None:
    async with open_site(api()) as site:
        async with open_beside(site, database_url) as gateway:
            await save(gateway)
        async with open_beside(site, database_url) as gateway:
            report = (await gateway.http.post(path())).json()
            sent = await gateway.send(await gateway.new_conversation(), provider="groq")

    assert report["failed_step"] == "key_opens"
    assert report["steps"][1]["code"] == "credential_unreadable"
    assert_error(sent, 409, "credential_unreadable")


async def test_requests_that_cannot_be_right_are_refused_by_name(gateway: Gateway) -> None:
    for body, field in (
        ({"tools": True}, "tools"),
        ({"model": "../x"}, "model"),
        ({"model": "x" * 201}, "model"),
        ({"model": 7}, "model"),
        ({"spend": "yes"}, "spend"),
        ({"spent": True}, "spent"),
    ):
        answer = assert_error(await gateway.http.post(path(), json=body), 400, "validation_error")
        assert list(answer["error_detail"]["fields"]) == [field]
    assert_error(await gateway.http.post(path("nobody")), 400, "provider_not_available")
    assert_error(await gateway.http.post(path("github_models")), 410, "provider_retired")
    assert_error(await gateway.http.post(path("openai"), json={"model": "groq/x"}), 400, "invalid_model_for_provider")


async def test_one_at_a_time_and_ten_a_minute(database_url: str) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def play(exchange: Exchange) -> None:
        reached.set()
        await release.wait()
        await api(key=None)(exchange)

    async with open_site(play) as site, open_beside(site, database_url) as gateway:
        first = asyncio.create_task(gateway.http.post(path()))
        await asyncio.wait_for(reached.wait(), 5)
        second = await gateway.http.post(path())
        body = assert_error(second, 429, "gateway_rate_limited")
        assert (body["error_detail"]["retry_after_s"], second.headers["retry-after"]) == (5.0, "5")
        other = asyncio.create_task(gateway.bob.post(path()))
        release.set()
        assert ((await first).status_code, (await other).status_code) == (200, 200)

        for _ in range(9):
            assert (await gateway.http.post(path())).status_code == 200
        assert_error(await gateway.http.post(path()), 429, "gateway_rate_limited")


async def test_a_shutdown_does_not_wait_for_a_diagnosis(database_url: str) -> None:
    reached = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        reached.set()
        await hang(exchange)

    async with open_site(play) as site, open_beside(site, database_url, check_saved_keys=False) as gateway:
        await save(gateway)
        asking = asyncio.create_task(gateway.http.post(path()))
        await asyncio.wait_for(reached.wait(), 5)
        gateway.services.begin_shutdown()

        assert_error(await asking, 503, "server_shutdown")
        assert_error(await gateway.http.post(path()), 503, "server_shutdown")


async def test_a_saved_key_is_looked_at_and_what_was_found_is_shown(database_url: str) -> None:
    async with open_site(api()) as site, open_beside(site, database_url) as gateway:
        stored = await save(gateway)
        good = await checked(gateway, stored["id"])
        one = f"{KEYS}{stored['id']}/"
        replaced = await gateway.http.patch(one, json={"api_key": API_KEY})
        bad = await checked(gateway, stored["id"])
        same = await gateway.http.patch(one, json={})
        await gateway.http.put(one, json={"provider": "google_maps", "api_key": API_KEY})
        unknown = await checked(gateway, stored["id"])

        assert good is not None
        assert bad is not None
        assert (good["status"], good["failed_step"]) == ("pass", None)
        assert replaced.json()["check"] is None
        assert (bad["status"], bad["failed_step"]) == ("fail", "auth")
        assert bad["checked_at"] > good["checked_at"] > stored["updated_at"]
        assert same.json()["check"] == bad
        assert unknown is None
        assert site.posted == []
        assert gateway.model.requests == []
        assert not [asked for asked in site.requests if asked.api_key not in {KEY, API_KEY, ""}]


async def test_what_the_page_sends_back_with_a_check_is_taken(database_url: str) -> None:
    async with open_site(api()) as site, open_beside(site, database_url) as gateway:
        stored = await save(gateway)
        await checked(gateway, stored["id"])
        shown = (await gateway.http.get(f"{KEYS}{stored['id']}/")).json()

        sent_back = await gateway.http.patch(f"{KEYS}{stored['id']}/", json=shown)

        assert (sent_back.status_code, sent_back.json()) == (200, shown)


async def test_a_key_that_is_deleted_or_replaced_meanwhile_keeps_no_old_report(database_url: str) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def play(exchange: Exchange) -> None:
        reached.set()
        await release.wait()
        await api()(exchange)

    async with open_site(play) as site, open_beside(site, database_url) as gateway:
        stored = await save(gateway, "sk-wrong-0123456789abcdef")
        await asyncio.wait_for(reached.wait(), 5)
        await gateway.http.patch(f"{KEYS}{stored['id']}/", json={"api_key": KEY})
        release.set()
        check = await checked(gateway, stored["id"])
        assert check is not None
        assert check["status"] == "pass"

        release.clear()
        await gateway.http.patch(f"{KEYS}{stored['id']}/", json={"api_key": KEY})
        assert (await gateway.http.delete(f"{KEYS}{stored['id']}/")).status_code == 204
        release.set()
        async with asyncio.timeout(20):
            await gateway.services.doctor.idle()
        assert (await gateway.http.get(KEYS)).json() == []


async def test_a_provider_that_hangs_holds_up_neither_the_saving_nor_the_end(database_url: str) -> None:
    async with open_site(hang) as site, open_beside(site, database_url) as gateway:
        began = asyncio.get_running_loop().time()
        await save(gateway)
        await save(gateway)
        assert asyncio.get_running_loop().time() - began < 2


async def test_the_operator_may_switch_it_off(database_url: str) -> None:
    async with open_site(api()) as site, open_beside(site, database_url, check_saved_keys=False) as gateway:
        stored = await save(gateway)
        assert await checked(gateway, stored["id"]) is None
        assert site.requests == []

    assert load_settings({}).check_saved_keys
    assert not load_settings({"GATEWAY_CHECK_SAVED_KEYS": "false"}).check_saved_keys


@pytest.mark.parametrize("status", [401, 500])
async def test_a_report_that_echoes_the_key_is_stored_without_it(database_url: str, status: int) -> None:
    echo = fixed(status, f'{{"error":{{"message":"Bad {KEY}","code":"{KEY}"}}}}'.encode(), "application/json")
    async with open_site(echo) as site, open_beside(site, database_url) as gateway:
        stored = await save(gateway)
        check = await checked(gateway, stored["id"])

    assert check is not None
    assert check["status"] == "fail"
    assert KEY not in str(check)
