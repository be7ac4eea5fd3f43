"""The settings page and the chat panel of Voyage, click by click: what they show, and the form of every answer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from app.errors import AuthenticationFailed, Origin, StreamInterrupted
from app.events import FinishReason
from app.providers.model import Finish, TextDelta, ToolCallPiece
from tests.routers.drop_in import ADA, ORIGIN, DropIn, open_drop_in
from tests.routers.gateway import API_KEY
from tests.runs.scripted import STOP, Pause, Step, words
from tests.stories.page_forms import FORMS, Watched
from tests.stream_check import CheckedTransport
from tests.voyage.chat_page import ChatPage, Trip
from tests.voyage.settings_page import SettingsPage

CONVERSATIONS: Final = "/api/chat/conversations/"
KEYS: Final = "/api/integrations/api-keys/"
AI_SETTINGS: Final = "/api/integrations/ai-settings/"
REFUSED: Final = AuthenticationFailed(origin=Origin(provider="local", label="Local"))
CUT: Final = StreamInterrupted(origin=Origin(provider="local", label="Local"))


@dataclass
class House:
    drop_in: DropIn
    browser: Watched
    storage: dict[str, str] = field(default_factory=dict[str, str])

    async def settings(self) -> SettingsPage:
        return await self.drop_in.settings(self.browser)

    async def chat(self, trip: Trip | None = None) -> ChatPage:
        """Open the chat, or load it again."""
        return await self.drop_in.chat(self.browser, trip, storage=self.storage)

    async def messages(self, page: ChatPage) -> list[dict[str, Any]]:
        return (await self.browser.get(f"{CONVERSATIONS}{page.selected}/")).json()["messages"]


@asynccontextmanager
async def opened(database_url: str, *scripts: list[Step]) -> AsyncGenerator[House]:
    async with open_drop_in(database_url, *scripts) as drop_in:
        voyage = drop_in.voyage
        browser = Watched(drop_in.base_url, voyage.base_url, voyage.sign_in(ADA), ORIGIN, transport=CheckedTransport())
        async with browser:
            yield House(drop_in, browser)


async def test_a_key_is_added_replaced_and_deleted_on_the_settings_page(database_url: str) -> None:
    async with opened(database_url) as house:
        page = await house.settings()
        assert (page.keys, page.banner, page.key_provider) == ([], None, "anthropic")

        assert await page.save_key(f"  {API_KEY}\n", " OpenAI ")
        (first,) = page.keys
        assert await page.save_key("sk-another-" + "9" * 30, "openai")
        (second,) = page.keys
        assert await page.save_key(API_KEY, "google_maps")
        reloaded = await house.settings()

        assert (first["id"], first["created_at"]) == (second["id"], second["created_at"])
        assert first["updated_at"] < second["updated_at"]
        assert [key["masked_api_key"][-3:] for key in (first, second)] == ["hij", "999"]
        assert reloaded.keys == page.keys
        assert [key["provider"] for key in page.keys] == ["google_maps", "openai"]
        assert reloaded.configured == ["openai", "local"]

        assert await page.delete_key("openai")
        assert not await reloaded.delete_key("openai")
        assert reloaded.error == "Not found. Check the address and the id."
        assert [key["provider"] for key in (await house.settings()).keys] == ["google_maps"]


BLANK: Final = "This must not be blank. Correct it and send it again."
ENTER: Final = "Enter the key itself, or leave the field out to keep it. Correct it and send it again."
WRONG_KEYS: Final = [
    ("openai", "", f"api_key: {BLANK}"),
    ("openai", " \n ", f"api_key: {BLANK}"),
    ("  ", API_KEY, f"provider: {BLANK}"),
    ("x" * 101, API_KEY, "provider: This has more than 100 characters. Shorten it. Correct it and send it again."),
    (
        "openai",
        "sk-********hij",
        f"api_key: This is the masked form, not the key. {ENTER}",
    ),
]


async def test_what_is_wrong_with_a_key_is_said_on_the_settings_page(database_url: str) -> None:
    async with opened(database_url) as house:
        page = await house.settings()
        for provider, key, text in WRONG_KEYS:
            assert not await page.save_key(key, provider)
            assert (page.error, page.banner) == (text, None)
            body = (await house.browser.post(KEYS, {"provider": provider, "api_key": key})).json()
            name = text.partition(":")[0]
            assert (body["error"], body["detail"], type(body[name])) == (text, text, list)

        bare = (await house.browser.post(KEYS, {})).json()
        assert bare["provider"] == bare["api_key"] == ["This field is required."]
        assert set((await house.browser.post(KEYS, [1])).json()) >= {"non_field_errors", "detail"}
        assert (await house.settings()).keys == []


async def test_the_default_provider_and_model_are_read_back_as_the_lists_write_them(database_url: str) -> None:
    async with opened(database_url) as house:
        page = await house.settings()
        assert (page.default_provider, page.default_model) == ("", "")

        for provider, model, read in [
            ("local", "local-2", "local-2"),
            ("local", "local/local-2", "local-2"),
            ("local", "brand-new", "brand-new"),
            ("local", "", ""),
        ]:
            assert await page.save_defaults(provider, model)
            reloaded, chat = await house.settings(), await house.chat()
            assert (reloaded.default_provider, reloaded.default_model) == ("local", read)
            assert (chat.provider, chat.model) == ("local", read or "local-1")
            assert chat.model in chat.models, "the UI would choose another one without a word"
        assert not await page.save_defaults("local", "x" * 201)
        assert page.error.startswith("preferred_model: This has more than 200 characters.")


async def test_the_settings_page_lists_what_voyage_lists(database_url: str) -> None:
    async with opened(database_url) as house:
        page = await house.settings()

    assert [(entry["id"], entry["label"]) for entry in page.catalogue][:9] == [
        ("openai", "OpenAI"),
        ("anthropic", "Anthropic"),
        ("gemini", "Google Gemini"),
        ("ollama", "Ollama"),
        ("groq", "Groq"),
        ("mistral", "Mistral"),
        ("github_models", "GitHub Models"),
        ("openrouter", "OpenRouter"),
        ("opencode_zen", "OpenCode Zen"),
    ]
    assert {name: value for name, value in page.catalogue[0].items() if name != "default_model"} == {
        "id": "openai",
        "label": "OpenAI",
        "available_for_chat": True,
        "needs_api_key": True,
        "api_base": "https://api.openai.com/v1",
        "instance_configured": False,
        "user_configured": False,
    }


async def test_a_chat_from_its_first_message_to_its_deletion(database_url: str) -> None:
    call: list[Step] = [
        TextDelta("Moment."),
        ToolCallPiece(0, "call_a", "get_weather", '{"city"'),
        ToolCallPiece(1, "call_b", "list_trips", ""),
        ToolCallPiece(0, None, None, ':"Porto"}'),
        Finish(FinishReason.TOOL_CALLS),
    ]
    long = "Grüße 🧭 " * 30
    async with opened(database_url, words("Lisbon is lovely"), call, words("So."), call, words("So.")) as house:
        trip = Trip(collection_name="Portugal", start_date="2027-03-10", destination="Lisbon, Portugal; +2 more")
        page = await house.chat(trip)
        assert (page.conversations, page.provider, page.model, page.bubbles) == ([], "local", "local-1", [])

        assert await page.send(f"  {long}  ") == "Lisbon is lovely "
        assert page.titles == [long.strip()[:120]]
        assert await page.send("And the weather?") == "Moment.So. "
        assert page.titles == [long.strip()[:120]]
        second = await page.new_conversation()
        assert (await page.send("Porto?"), page.titles) == ("Moment.So. ", ["Porto?", long.strip()[:120]])

        reloaded = await house.chat(trip)
        assert (reloaded.selected, [bubble.text for bubble in reloaded.bubbles]) == (
            second,
            ["Porto?", "Moment.", "So. "],
        )
        await reloaded.select(page.conversations[1]["id"])
        assert [bubble.text for bubble in reloaded.bubbles] == [
            long.strip(),
            "Lisbon is lovely ",
            "And the weather?",
            "Moment.",
            "So. ",
        ]
        calls = (await house.messages(reloaded))[3]["tool_calls"]
        assert [(call["id"], call["function"]["arguments"]) for call in calls] == [
            ("call_a", '{"city":"Porto"}'),
            ("call_b", "{}"),
        ]

        await reloaded.delete(reloaded.conversations[1]["id"])
        assert (reloaded.titles, reloaded.bubbles) == (["Porto?"], [])
        assert (await house.chat(trip)).titles == ["Porto?"]


async def test_a_reload_during_an_answer_shows_that_it_is_being_written(database_url: str) -> None:
    pause = Pause()
    async with opened(database_url, [TextDelta("Lisbon "), pause, TextDelta("is lovely"), STOP]) as house:
        page = await house.chat()
        sending = asyncio.create_task(page.send("Where to?"))
        async with asyncio.timeout(10):
            await pause.reached.wait()
        sending.cancel()
        await asyncio.wait({sending})

        reloaded = await house.chat()
        assert [(bubble.role, bubble.text) for bubble in reloaded.bubbles] == [("user", "Where to?"), ("assistant", "")]
        question, answer = await house.messages(reloaded)
        shown = (await house.browser.get(f"{CONVERSATIONS}{reloaded.selected}/")).json()
        assert (question["status"], answer["status"]) == ("complete", "running")
        assert shown["active_run"] == {"id": answer["run_id"], "status": "running", "last_seq": 2}
        assert (await reloaded.send("Hello?")).startswith("An answer is still being written in this conversation.")

        pause.release.set()
        async with asyncio.timeout(10):
            while (await house.messages(reloaded))[1]["status"] == "running":
                pass
        again = await house.chat()
        assert [bubble.text for bubble in again.bubbles] == ["Where to?", "Lisbon is lovely"]


async def test_a_failed_answer_keeps_its_text_with_the_error(database_url: str) -> None:
    async with opened(database_url, [TextDelta("Half"), CUT], [REFUSED], words("Fine")) as house:
        page = await house.chat()
        shown = [await page.send(text) for text in ("One", "Two", "Three")]
        assert shown == [f"Half\n\n⚠ {CUT.sentence}", REFUSED.sentence, "Fine "]

        reloaded = await house.chat()
        answers = (await house.messages(reloaded))[1::2]

    assert [bubble.text for bubble in reloaded.bubbles][1::2] == shown
    assert [answer["text"] for answer in answers] == ["Half", "", "Fine "]
    assert [answer["status"] for answer in answers] == ["failed", "failed", "completed"]
    assert [answer["error"] and answer["error"]["error"] for answer in answers] == [
        CUT.sentence,
        REFUSED.sentence,
        None,
    ]


async def test_what_the_pages_do_not_ask_for_has_voyages_form_too(database_url: str) -> None:
    places = words('{"suggestions":[{"name":"Ramiro","location":"Lisbon","price_level":"$$"}]}')
    key = {"provider": "groq", "api_key": API_KEY}
    async with opened(database_url, places) as house:
        browser, trip = house.browser, house.drop_in.voyage.add_trip(ADA)
        await (await house.chat()).send("Hi")
        for path, new, change in [
            (CONVERSATIONS, {}, {"title": "Porto"}),
            (KEYS, key, key),
            (AI_SETTINGS, {}, {"preferred_provider": None, "preferred_model": ""}),
        ]:
            one = f"{path}{(await browser.post(path, new)).json()['id']}/"
            for answer in [
                await browser.get(one),
                await browser.put(one, change),
                await browser.patch(one, change),
                await browser.get(path),
                await browser.delete(one),
            ]:
                assert answer.ok, answer.text
        wish = {"collection_id": trip, "date": "2027-03-11", "category": "restaurant"}
        assert (await browser.post("/api/chat/suggestions/day/", wish)).ok
        assert (await browser.get("/api/chat/")).ok
        assert (await browser.get("/api/chat/capabilities/")).ok

    assert browser.seen == FORMS.keys()
