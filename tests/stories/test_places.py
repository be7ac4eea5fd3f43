"""Places that a model looks for without saying where: what the frontend shows of them, live and after a reload."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stories.gateway import Story, Stream, gateway
from tests.stream_check import checked_client
from tests.tools.public.fake import FakePublic
from tests.tools.public.overpass import node
from tests.upstream import Answer, Call
from tests.voyage.chat_page import rebuilt
from tests.voyage.fake import FakeVoyage

CSRF = "c" * 32
CHAT = "openai_chat"
ALFAMA = ("38.7118", "-9.1300")


@dataclass(frozen=True, slots=True)
class Visit:
    story: Story
    public: FakePublic
    trip: str
    empty_trip: str


@asynccontextmanager
async def visit(url: str, folder: Path) -> AsyncGenerator[Visit]:
    """Give the gateway as a person of Voyage sees it, with a trip to Lisbon and one to nowhere."""
    async with FakeVoyage() as voyage, FakePublic() as public:
        stop = {"name": "Tram 28", "city": {"name": "Lisbon"}, "country": None}
        trip, empty = voyage.add_trip(7, locations=[stop]), voyage.add_trip(7)
        public.geocoded["Lisbon"] = ALFAMA
        public.elements = [node(6, 38.7129, -9.1302, name="Tasca", amenity="restaurant", website="tasca.example")]
        settings: dict[str, Any] = {
            "GATEWAY_AUTH_METHODS": "voyage_session",
            "GATEWAY_AUTH_TOKENS": "",
            "GATEWAY_VOYAGE_URL": voyage.base_url,
            "GATEWAY_TRUSTED_ORIGINS": "http://localhost:8015",
            "GATEWAY_LANE": "native",
            "GATEWAY_NOMINATIM_URL": f"{public.base_url}/nominatim",
            "GATEWAY_OVERPASS_URL": f"{public.base_url}/overpass",
            "GATEWAY_OSM_INTERVAL_SECONDS": "0",
        }
        async with gateway(url, folder, **settings) as story:
            headers = {"Cookie": f"sessionid={voyage.sign_in(7)}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
            async with checked_client(str(story.http.base_url), headers, timeout=30) as http:
                person = Story(http, story.upstream, story.database_path)
                await person.store_key(CHAT)
                yield Visit(person, public, trip, empty)


async def asked(here: Visit, conversation: str, **body: str) -> Stream:
    here.story.upstream.scripts = [
        Answer(texts=("Looking. ",), tool_calls=(Call("call_1", "search_places", ("{", "}")),)),
        Answer(texts=("Here.",)),
    ]
    return await here.story.send(conversation, provider=CHAT, **body)


async def test_places_without_a_location_are_those_of_the_trip_and_stay_so(database_url: str, tmp_path: Path) -> None:
    async with visit(database_url, tmp_path) as here:
        conversation = await here.story.conversation()
        stream = await asked(here, conversation, message="Where shall we have dinner?", collection_id=here.trip)
        bubbles = rebuilt(await here.story.messages(conversation))

    (shown,) = stream.shown.tool_results
    assert (shown["name"], shown["result"]["location"], shown["result"]["category"]) == (
        "search_places",
        "Lisbon",
        "food",
    )
    (card,) = shown["result"]["results"]
    assert (card["name"], card["latitude"], card["longitude"]) == ("Tasca", 38.7129, -9.1302)
    assert card["link"] == "https://tasca.example"
    assert stream.shown.bubble == "Looking. Here."
    assert [bubble.text for bubble in bubbles] == ["Where shall we have dinner?", "Looking. ", "Here."]
    assert [(one["name"], one["result"]) for bubble in bubbles for one in bubble.tool_results] == [
        (shown["name"], shown["result"])
    ]


async def test_where_nobody_can_tell_the_model_asks_and_the_destination_tells_it_the_next_time(
    database_url: str, tmp_path: Path
) -> None:
    async with visit(database_url, tmp_path) as here:
        conversation = await here.story.conversation()
        first = await asked(here, conversation, message="Find me a place to eat", collection_id=here.empty_trip)
        said = here.story.upstream.calls[-1].body["messages"][-1]
        second = await asked(here, conversation, message="In Lisbon", destination="Lisbon; Porto")
        bubbles = rebuilt(await here.story.messages(conversation))

    assert [one["result"] for one in first.shown.tool_results] == [{"error": "location is required"}]
    assert (said["role"], said["content"]) == ("tool", '{"error":"location is required"}')
    assert (first.last["type"], first.shown.bubble) == ("run.completed", "Looking. Here.")
    (found,) = second.shown.tool_results
    assert (found["result"]["location"], found["result"]["category"]) == ("Lisbon", "food")
    assert [one["result"] for bubble in bubbles for one in bubble.tool_results] == [
        {"error": "location is required"},
        found["result"],
    ]
