from dataclasses import replace

from app.auth.caller import Caller
from app.providers.model import ToolSpec
from app.routers.capabilities import get_capabilities
from tests.routers.gateway import Gateway, assert_error

PATH = "/api/chat/capabilities/"


async def test_the_tools_of_the_gateway_are_listed(gateway: Gateway) -> None:
    response = await gateway.http.get(PATH)

    wanted = [{"name": tool.name, "description": tool.description} for tool in gateway.services.tools]
    assert (response.status_code, response.json()) == (200, {"tools": wanted})
    assert_error(await gateway.http.post(PATH, json={}), 405, "validation_error")


async def test_a_tool_is_told_without_its_parameters(gateway: Gateway) -> None:
    weather = ToolSpec(name="get_weather", description="Weather of a place.", parameters={"type": "object"})

    answer = await get_capabilities(Caller(user_id="ada", method="dev"), replace(gateway.services, tools=(weather,)))

    assert answer.model_dump() == {"tools": [{"name": "get_weather", "description": "Weather of a place."}]}


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
