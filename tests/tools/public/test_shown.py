"""What the frontend makes of the results: cards of places and pages, and one line about the weather."""

import json
import math
from typing import Any, Final

from app.sse import frame
from app.tools.tool import ToolResult
from tests.stream_check import check_stream
from tests.tool_results import WireEvent
from tests.tools.public.fake import FakePublic, answers
from tests.tools.public.overpass import node
from tests.tools.public.using import toolbox
from tests.voyage.chat_page import rebuilt
from tests.voyage_reader import read_cut

RUN_ID: Final = "0c7bbd4e-9a52-4c0f-9d5f-a3d3ac8a7f01"
DONE: Final = b"data: [DONE]\n\n"


def drawn(name: str, result: dict[str, Any]) -> list[str]:
    """Draw a result as the chat panel does, one text for each card or line."""
    if isinstance(result.get("error"), str) and result["error"]:
        return [f"⚠️ {name} could not be completed."]
    if name == "search_places":
        return [
            f"{place['name']}, {place['address']} -> {place['link']}{_button(place)}" for place in result["results"]
        ]
    if name == "web_search":
        return [f"{page['title']}: {page['snippet']} -> {page['url']}" for page in result["results"]]
    available = [entry for entry in result["results"] if entry["available"]]
    estimated = any(entry["is_estimate"] for entry in available)
    return [f"weather of {len(available)} of {len(result['results'])} days{', estimated' if estimated else ''}"]


def _button(place: dict[str, Any]) -> str:
    finite = all(isinstance(place[key], float) and math.isfinite(place[key]) for key in ("latitude", "longitude"))
    return " [Add to Itinerary]" if finite else ""


def shown(results: dict[str, ToolResult]) -> list[str]:
    """Stream the results as events, read them as the frontend does, and draw them; a reload must draw the same."""
    told = [{"tool_call_id": f"call_{name}", "name": name, "result": result.value} for name, result in results.items()]
    events = [WireEvent(seq, "tool.result", run_id=RUN_ID, tool_result=one) for seq, one in enumerate(told, start=1)]
    events.append(WireEvent(len(told) + 1, "run.completed", run_id=RUN_ID, status="completed"))
    body = b"".join(frame(event, RUN_ID) for event in events) + DONE
    check_stream(body)
    live = read_cut(body, 11).tool_results
    assert live == told

    stored: list[dict[str, Any]] = [
        {"role": "assistant", "content": "", "tool_calls": [{"id": one["tool_call_id"]} for one in told]},
        *({"role": "tool", **one, "content": json.dumps(one["result"])} for one in told),
    ]
    again = [(one["name"], one["result"]) for one in rebuilt(stored)[0].tool_results]
    assert again == [(one["name"], one["result"]) for one in live]
    return [line for name, result in again for line in drawn(name, result)]


async def test_places_pages_and_weather_are_drawn(public: FakePublic) -> None:
    public.geocoded["Alfama, Lisbon"] = ("38.7118", "-9.1300")
    public.elements = [
        node(5, 38.7119, -9.1302, name="Café Ñandú 🦐\u2028", amenity="cafe", addr__city="Lisboa", website="a.example"),
        node(6, 38.7129, -9.1302, name="Tasca", amenity="restaurant"),
    ]
    public.pages = [{"url": "https://fado.example/", "title": "Fado", "content": "Every night"}]
    async with toolbox(public) as box:
        results = {
            "search_places": await box.call("search_places", location="Alfama, Lisbon", category="food"),
            "web_search": await box.call("web_search", query="fado"),
            "get_weather": await box.call(
                "get_weather", latitude=38.7, longitude=-9.1, dates=["2026-11-27", "2027-06-01", "x"]
            ),
        }

    assert shown(results) == [
        "Café Ñandú 🦐, Lisboa -> https://a.example [Add to Itinerary]",
        "Tasca,  -> https://www.openstreetmap.org/node/6 [Add to Itinerary]",
        "Fado: Every night -> https://fado.example/",
        "weather of 2 of 3 days, estimated",
    ]


async def test_a_failure_is_drawn_as_one(public: FakePublic) -> None:
    public.trouble = {service: answers(status=429) for service in ("nominatim", "searxng")}
    async with toolbox(public) as box:
        results = {
            "search_places": await box.call("search_places", location="Rome"),
            "web_search": await box.call("web_search", query="fado"),
        }

    assert shown(results) == [
        "⚠️ search_places could not be completed.",
        "⚠️ web_search could not be completed.",
    ]
