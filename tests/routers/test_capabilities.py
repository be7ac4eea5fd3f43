from dataclasses import replace

from app.auth.caller import Caller
from app.routers.capabilities import get_capabilities
from tests.routers.gateway import Gateway, assert_error
from tests.tools.scripted import Away, Scripted, ToolPlay

PATH = "/api/chat/capabilities/"


async def test_without_sources_there_are_no_tools(gateway: Gateway) -> None:
    response = await gateway.http.get(PATH)

    assert (response.status_code, response.json()) == (200, {"tools": [], "sources": [], "tool_approval": "never"})
    assert_error(await gateway.http.post(PATH, json={}), 405, "validation_error")


async def test_a_tool_is_told_without_its_parameters_and_a_source_that_is_away_with_its_reason(
    gateway: Gateway,
) -> None:
    source = Scripted({"get_weather": ToolPlay(), "book": ToolPlay(writes=True)})
    runner = replace(gateway.services.runner, tools=(source, Away()))
    services = replace(gateway.services, runner=runner)

    answer = await get_capabilities(Caller(user_id="ada", method="dev"), services)

    told = {"description": "A tool.", "source": "scripted"}
    assert answer.model_dump() == {
        "tools": [
            {"name": "get_weather", "writes": False, **told},
            {"name": "book", "writes": True, **told},
        ],
        "tool_approval": "never",
        "sources": [
            {"name": "scripted", "available": True, "reason": None},
            {"name": "away", "available": False, "reason": Away.reason},
        ],
    }
    assert source.sessions == 0


async def test_the_root_names_paths_that_answer_whatever_the_host_header_says(gateway: Gateway) -> None:
    for path in ("/api/chat/", "/api/chat?format=json"):
        response = await gateway.http.get(path, headers={"Host": "evil.example"})
        assert response.status_code == 200
        assert response.json() == {
            "conversations": "/api/chat/conversations/",
            "providers": "/api/chat/providers/",
        }

    for path in response.json().values():
        assert (await gateway.http.get(path)).status_code == 200
