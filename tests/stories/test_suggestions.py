"""Places for a day through the whole gateway on each wire: Voyage's trip in, the model's places out."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.events import FinishReason
from app.providers.provider import Wire
from tests.stories.gateway import KEY, Story, gateway
from tests.stream_check import checked_client
from tests.upstream import BY_NAME, Answer, Call, Recorded, Script
from tests.voyage.fake import FakeVoyage

WIRES = list(Wire)
ORIGIN = "http://localhost:8015"
CSRF = "c" * 32
PLACES = [
    {"name": "Cervejaria Ramiro", "location": "Avenida Almirante Reis 1, Lisbon", "why_fits": "Meeresfrüchte 🦐"},
    {"name": "Time Out Market", "location": "Cais do Sodré, Lisbon", "price_level": "$$"},
]
ARGUMENTS = json.dumps({"suggestions": PLACES}, ensure_ascii=False)
CALLED = Call("call_a", "suggest_places", tuple(ARGUMENTS[at : at + 11] for at in range(0, len(ARGUMENTS), 11)))


@asynccontextmanager
async def lisbon(sqlite_url: str, folder: Path, **overrides: Any) -> AsyncGenerator[tuple[Story, str]]:
    """Give the gateway as a person of Voyage sees it, and the id of their trip."""
    async with FakeVoyage() as voyage:
        trip = voyage.add_trip(7, name="Lisbon Week", start_date="2027-03-10", end_date="2027-03-14")
        voyage.preferences[7] = {"interests": ["tiles"]}
        signs_in = {
            "GATEWAY_AUTH_METHODS": "voyage_session",
            "GATEWAY_AUTH_TOKENS": "",
            "GATEWAY_VOYAGE_URL": voyage.base_url,
            "GATEWAY_TRUSTED_ORIGINS": ORIGIN,
        }
        async with gateway(sqlite_url, folder, **signs_in, **overrides) as story:
            headers = {"Cookie": f"sessionid={voyage.sign_in(7)}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
            base_url = str(story.http.base_url)
            async with checked_client(base_url, headers, timeout=30) as http:
                yield Story(http, story.upstream, story.database_path), trip


@pytest.fixture
async def visit(sqlite_url: str, tmp_path: Path) -> AsyncGenerator[tuple[Story, str]]:
    async with lisbon(sqlite_url, tmp_path) as opened:
        yield opened


async def ask(story: Story, trip: str, wire: Wire) -> httpx.Response:
    body = {"collection_id": trip, "date": "2027-03-11", "category": "restaurant", "filters": {"dietary": "vegan"}}
    return await story.http.post(
        "/api/chat/suggestions/day/", json={**body, "provider": wire.value, "model": "test-model"}
    )


def forced(sent: Recorded) -> Any:
    """What of a request makes its model call the tool."""
    match sent.wire:
        case Wire.OLLAMA:
            return "suggest_places"  # it has no way to force one; what it answers instead is read as text
        case Wire.GEMINI:
            return sent.body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"][0]
        case Wire.OPENAI_CHAT:
            return sent.body["tool_choice"]["function"]["name"]
        case _:
            return sent.body["tool_choice"]["name"]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_tool_call_in_pieces_and_a_text_give_the_same_places(visit: tuple[Story, str], wire: Wire) -> None:
    story, trip = visit
    await story.store_key(wire.value)
    story.upstream.scripts = [
        Answer(texts=(), tool_calls=(CALLED,), split=3),
        Answer(texts=("Sure! 🍤\n```json\n", ARGUMENTS[:50], ARGUMENTS[50:], "\n```\n"), split=1),
        Answer(texts=('{"suggestions": []}',)),
    ]

    by_call, by_text, none = [await ask(story, trip, wire) for _ in range(3)]

    assert (by_call.status_code, by_call.json()) == (200, {"suggestions": PLACES})
    assert (by_text.status_code, by_text.json()) == (200, {"suggestions": PLACES})
    assert (none.status_code, none.json()) == (200, {"suggestions": []})
    sent = story.upstream.calls[0]
    assert (sent.api_key, forced(sent)) == (KEY, "suggest_places")
    for told in ("Lisbon Week", "2027-03-10 to 2027-03-14", "Thursday 2027-03-11", "Dietary: vegan", "tiles"):
        assert told in sent.raw.decode()


async def test_cut_and_broken_answers_are_errors_and_a_refused_tool_is_left_out(visit: tuple[Story, str]) -> None:
    story, trip = visit

    async def code(wire: Wire, *scripts: Script) -> tuple[int, str]:
        story.upstream.scripts = list(scripts)
        answer = await ask(story, trip, wire)
        return answer.status_code, answer.json().get("error_category", "")

    for wire in WIRES:
        await story.store_key(wire.value)
        cut = Answer(texts=(ARGUMENTS,), finish=FinishReason.LENGTH)
        assert await code(wire, cut) == (502, "invalid_provider_response")
        assert await code(wire, Answer(texts=("I would rather not.",))) == (502, "invalid_provider_response")
        assert await code(wire, BY_NAME["dropmid"]) == (502, "stream_interrupted")
        assert await code(wire, BY_NAME["err401"]) == (424, "authentication_failed")
        story.upstream.requests.clear()
        assert await code(wire, BY_NAME["err400"], Answer(texts=(ARGUMENTS,))) == (200, "")
        with_tool, without = [sent.json_object for sent in story.upstream.calls]
        assert ("tools" in with_tool, "tools" in without) == (True, False)


async def test_whoever_leaves_closes_the_models_socket(visit: tuple[Story, str]) -> None:
    story, trip = visit
    await story.store_key("openai_chat")
    story.upstream.script = Answer(texts=("{",) * 3, delay=30)

    asking = asyncio.create_task(ask(story, trip, Wire.OPENAI_CHAT))
    await story.upstream.until(lambda: bool(story.upstream.calls))
    asking.cancel()

    await story.upstream.until(lambda: story.upstream.calls[0].client_left)
