"""The application as it is started in production: litellm in the lane, a provider on a real socket."""

import asyncio

from app.config_file import ProviderTable
from app.main import create_app
from app.providers.litellm_lane import LoadState
from tests.routers.gateway import TOKENS, settings
from tests.server import running
from tests.stream_check import checked_client
from tests.upstream.answer import Answer
from tests.upstream.server import Upstream
from tests.voyage_reader import read_cut


async def test_the_server_answers_while_litellm_loads_and_sends_once_it_is_there(database_url: str) -> None:
    async with Upstream(Answer(texts=("Lisbon ", "is lovely"))) as upstream:
        table = ProviderTable(api_base=f"{upstream.base_url}/v1", models=["local-1"], needs_api_key=False)
        app = create_app(settings(database_url, provider_tables={"local": table}, lane="litellm"))
        headers = {"Authorization": f"Bearer {TOKENS['ada']}"}
        async with (
            running(app) as base_url,
            checked_client(base_url, headers, timeout=60) as http,
        ):
            early = await http.get("/health/ready")
            id_ = (await http.post("/api/chat/conversations/")).json()["id"]
            sent = await http.post(f"/api/chat/conversations/{id_}/send_message/", json={"message": "Where to?"})
            ready = await http.get("/health/ready")

        assert early.status_code == 200 or early.json()["checks"]["litellm"] == "loading"
        assert (ready.status_code, ready.json()["checks"]["litellm"]) == (200, "ok")
        assert read_cut(sent.content, 1).bubble == "Lisbon is lovely"
        assert [call.body["model"] for call in upstream.calls] == ["local-1"]


async def test_our_own_lane_needs_no_litellm(database_url: str) -> None:
    async with Upstream(Answer(texts=("Lisbon ", "is lovely"))) as upstream:
        table = ProviderTable(api_base=f"{upstream.base_url}/v1", models=["local-1"], needs_api_key=False)
        app = create_app(settings(database_url, provider_tables={"local": table}))
        headers = {"Authorization": f"Bearer {TOKENS['ada']}"}
        async with running(app) as base_url, checked_client(base_url, headers, timeout=60) as http:
            id_ = (await http.post("/api/chat/conversations/")).json()["id"]
            sent = await http.post(f"/api/chat/conversations/{id_}/send_message/", json={"message": "Where to?"})
            ready = await http.get("/health/ready")
            state = app.state.services.lane.state

        assert read_cut(sent.content, 1).bubble == "Lisbon is lovely"
        assert (ready.status_code, state) == (200, LoadState.WAITING)


async def test_a_stop_while_litellm_loads_is_clean(database_url: str) -> None:
    before = asyncio.all_tasks()
    async with (
        running(create_app(settings(database_url, lane="litellm"))) as base_url,
        checked_client(base_url) as http,
    ):
        assert (await http.get("/health/live")).status_code == 200

    assert {task.get_name() for task in asyncio.all_tasks() - before} == set()
