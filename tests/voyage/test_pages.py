"""The pages show what the real pages show."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.voyage.chat_page import CONNECTION_ERROR, NO_PROVIDERS, NONE_CONFIGURED, ChatPage, Trip
from tests.voyage.fake import FakeVoyage
from tests.voyage.frontend import Frontend
from tests.voyage.played_gateway import Play, PlayedGateway, html_answer, json_answer, stream
from tests.voyage.settings_page import GENERIC_ERROR, SettingsPage

SEND = "POST /api/chat/conversations/c1/send_message/"
OPENAI = {
    "id": "openai",
    "label": "OpenAI",
    "available_for_chat": True,
    "default_model": "gpt-4o",
    "instance_configured": True,
    "user_configured": False,
}
GROQ = {**OPENAI, "id": "groq", "default_model": None, "instance_configured": False, "user_configured": True}
CLOSED = {**OPENAI, "id": "closed", "instance_configured": False}


@pytest.fixture
async def gateway() -> AsyncIterator[PlayedGateway]:
    async with PlayedGateway() as playing:
        yield playing


@pytest.fixture
async def frontend(gateway: PlayedGateway) -> AsyncIterator[Frontend]:
    async with FakeVoyage() as voyage, Frontend(gateway.base_url, voyage.base_url, voyage.sign_in(7)) as browser:
        yield browser


def play_chat(gateway: PlayedGateway, *, settings: dict[str, Any] | None = None) -> None:
    gateway.play("GET /api/chat/providers", [CLOSED, OPENAI, GROQ])
    gateway.play("GET /api/chat/providers/groq/models", {"models": ["llama", "gemma"]})
    gateway.play("GET /api/chat/providers/openai/models", {"models": ["gpt-4o", "gpt-5"]})
    gateway.play("GET /api/integrations/ai-settings", [settings] if settings else [])
    gateway.play("POST /api/chat/conversations/", {"id": "c1", "title": "", "messages": []}, 201)


async def test_the_chat_chooses_a_provider_and_a_model_it_can_use(gateway: PlayedGateway, frontend: Frontend) -> None:
    play_chat(gateway)
    page = ChatPage(frontend)
    await page.load()
    assert [entry["id"] for entry in page.providers] == ["openai", "groq"]
    assert (page.provider, page.model) == ("groq", "llama")
    await page.choose_provider("openai")
    assert page.model == "gpt-4o"

    for preferred, model in [("gpt-5", "gpt-5"), ("openai/gpt-5", "gpt-4o")]:
        play_chat(gateway, settings={"preferred_provider": "OpenAI", "preferred_model": preferred})
        page = ChatPage(frontend)
        await page.load()
        assert (page.provider, page.model) == ("openai", model)


async def test_without_a_usable_provider_nobody_can_write(gateway: PlayedGateway, frontend: Frontend) -> None:
    gateway.play("GET /api/chat/providers", [CLOSED])
    page = ChatPage(frontend)
    await page.load()
    assert (page.provider_error, page.has_input, await page.send("hello")) == (NONE_CONFIGURED, False, "")

    gateway.play("GET /api/chat/providers", {"detail": "no"}, 403)
    page = ChatPage(frontend)
    await page.load()
    assert page.provider_error == NO_PROVIDERS


async def test_the_first_message_makes_a_conversation_and_the_list_is_read_again(
    gateway: PlayedGateway, frontend: Frontend
) -> None:
    play_chat(gateway)
    result: dict[str, Any] = {"tool_call_id": "t", "name": "get_weather", "result": {"results": []}}
    gateway.answers[SEND] = stream({"content": "To "}, {"tool_result": result}, {"content": "Lisbon"})
    page = ChatPage(frontend, Trip(collection_id="C", destination="Lisbon; Porto; +2 more"))
    await page.load()
    gateway.play("GET /api/chat/conversations", [{"id": "c1", "title": "Where to?", "updated_at": "now"}])

    assert await page.send("Where to?") == "To Lisbon"

    assert page.bubbles[-1].tool_results == [{"name": "get_weather", "result": {"results": []}}]
    assert page.titles == ["Where to?"]
    assert gateway.sent == [
        {},
        {
            "message": "Where to?",
            "provider": "groq",
            "model": "llama",
            "collection_id": "C",
            "destination": "Lisbon; Porto; +2 more",
        },
    ]
    assert page.storage == {"voyage_active_conversation_C": "c1"}


@pytest.mark.parametrize(
    ("answer", "bubble"),
    [
        (stream({"content": "Half"}, {"error": "Out of money.", "error_category": "x"}), "Out of money."),
        (json_answer({"error": "message is required"}, 400), "message is required"),
        (json_answer({"detail": "only this"}, 400), CONNECTION_ERROR),
        (html_answer(500), CONNECTION_ERROR),
        (stream({"content": "Half"}, cut=True), CONNECTION_ERROR),
    ],
)
async def test_a_failure_is_the_text_of_the_bubble(
    gateway: PlayedGateway, frontend: Frontend, answer: Play, bubble: str
) -> None:
    play_chat(gateway)
    gateway.answers[SEND] = answer
    page = ChatPage(frontend)
    await page.load()

    assert await page.send("Where to?") == bubble
    assert [shown.role for shown in page.bubbles] == ["user", "assistant"]
    assert page.has_input


async def test_an_error_that_is_no_text_breaks_the_panel(gateway: PlayedGateway, frontend: Frontend) -> None:
    play_chat(gateway)
    gateway.answers[SEND] = stream({"error": {"a": "b"}})
    page = ChatPage(frontend)
    await page.load()

    with pytest.raises(AssertionError, match="breaks"):
        await page.send("Where to?")


async def test_a_reload_opens_the_conversation_that_was_open(gateway: PlayedGateway, frontend: Frontend) -> None:
    def call(call_id: str) -> dict[str, Any]:
        return {"id": call_id, "type": "function", "function": {"name": "list_trips", "arguments": "{}"}}

    def message(role: str, content: str, **rest: Any) -> dict[str, Any]:
        return {"role": role, "content": content, "tool_calls": None, "tool_call_id": None, "name": None, **rest}

    play_chat(gateway)
    gateway.play("GET /api/chat/conversations", [{"id": "c1", "title": "Old"}])
    messages = [
        message("user", "Where to?"),
        message("assistant", "", tool_calls=[call("t")]),
        message("tool", '{"trips":[]}', tool_call_id="t", name="list_trips"),
        message("assistant", "Lisbon"),
    ]
    gateway.play("GET /api/chat/conversations/c1", {"id": "c1", "messages": messages})
    gateway.play("DELETE /api/chat/conversations/c1/", {"detail": "gone"}, 404)
    page = ChatPage(frontend, storage={"voyage_active_conversation": "c1"})
    await page.load()

    assert [bubble.text for bubble in page.bubbles] == ["Where to?", "", "Lisbon"]
    assert page.bubbles[1].tool_results == [{"name": "list_trips", "result": {"trips": []}}]
    await page.delete("c1")
    assert (page.conversations, page.selected, page.bubbles, page.storage) == ([], None, [], {})


async def settings_page(frontend: Frontend) -> SettingsPage:
    page = SettingsPage(frontend)
    await page.load()
    return page


def key(provider: str, key_id: str) -> dict[str, str]:
    return {"id": key_id, "provider": provider, "masked_api_key": "sk-***abc"}


async def test_settings_list_keys_and_defaults_and_merge_by_provider(
    gateway: PlayedGateway, frontend: Frontend
) -> None:
    play_chat(gateway)
    gateway.play("GET /api/integrations/api-keys/", [key("openai", "1")])
    gateway.play("GET /api/integrations/ai-settings/", [{"preferred_provider": "groq", "preferred_model": "gemma"}])
    gateway.play("POST /api/integrations/ai-settings/", {"preferred_provider": "openai", "preferred_model": None})
    gateway.answers["DELETE /api/integrations/api-keys/2/"] = json_answer({}, 204)

    page = await settings_page(frontend)
    assert (page.key_provider, page.configured) == ("closed", ["openai", "groq"])
    assert (page.default_provider, page.default_model, page.models) == ("groq", "gemma", ["llama", "gemma"])
    for provider, key_id in [("groq", "2"), ("openai", "1")]:
        gateway.play("POST /api/integrations/api-keys/", key(provider, key_id), 201)
        assert await page.save_key("sk-new", provider)
    assert gateway.sent[-1] == {"provider": "openai", "api_key": "sk-new"}
    assert page.keys == [key("groq", "2"), key("openai", "1")]
    assert await page.delete_key("groq")
    assert page.keys == [key("openai", "1")]
    assert await page.save_defaults("openai", "")
    assert gateway.sent[-1] == {"preferred_provider": "openai", "preferred_model": None}
    assert (page.default_provider, page.default_model) == ("openai", "")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"detail": "No.", "api_key": ["Blank."]}, "No."),
        ({"provider": ["Too long."], "api_key": ["Blank."]}, "Blank."),
        ({"provider": ["Too long."]}, "Too long."),
        ({"error": "Unread."}, GENERIC_ERROR),
    ],
)
async def test_a_refused_key_shows_the_first_text(
    gateway: PlayedGateway, frontend: Frontend, body: dict[str, Any], error: str
) -> None:
    gateway.play("POST /api/integrations/api-keys/", body, 400)

    page = await settings_page(frontend)
    assert not await page.save_key("x")
    assert (page.error, page.banner) == (error, None)


async def test_missing_key_storage_is_a_banner(gateway: PlayedGateway, frontend: Frontend) -> None:
    gateway.play("GET /api/integrations/api-keys/", {"detail": "No storage."}, 503)
    gateway.play("POST /api/integrations/api-keys/", {"detail": "Still none."}, 503)

    page = await settings_page(frontend)
    assert page.banner == "No storage."
    await page.save_key("x")
    assert page.banner == "Still none."
