"""MCP servers as sources of tools, against one that has two sync workers."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.secret import Secret
from app.tools.mcp.server import McpServer
from app.tools.mcp.source import McpSource
from app.tools.tool import OutcomeUnknown, ToolCaller, ToolResult, ToolUnavailable
from tests.stories.gateway import gateway
from tests.stream_check import checked_client
from tests.upstream import Answer, Call, Recorded


@dataclass(slots=True)
class Django:
    """The server process, and who asks it beside the gateway."""

    server: McpServer
    http: httpx.AsyncClient

    async def state(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/state/")).json()
        return found

    async def closed(self) -> dict[str, Any]:
        """Wait until no session is open, and give the state."""
        async with asyncio.timeout(10):
            while (found := await self.state())["open"]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        return found


async def _sign_in(caller: ToolCaller) -> tuple[str, Secret]:
    return "Authorization", Secret(f"Token of-{caller.user_id}")


@pytest.fixture
async def django() -> AsyncGenerator[Django]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.tools.mcp_server", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        base = f"http://127.0.0.1:{port}"
        server = McpServer(name="trips", url=f"{base}/mcp", label="Trips", sign_in=_sign_in)
        async with httpx.AsyncClient(base_url=base, timeout=20, trust_env=False) as http:
            yield Django(server, http)
    finally:
        process.kill()
        await process.wait()


async def called(source: McpSource, name: str, user: str = "ada", seconds: float = 5.0, **arguments: Any) -> ToolResult:
    async with source.open(ToolCaller(user_id=user)) as session:
        await session.list()
        return await session.call(name, arguments, seconds=seconds)


async def test_ten_runs_at_once_leave_the_workers_to_others(django: Django) -> None:
    source = McpSource(django.server)
    slowest = 0.0
    running = [asyncio.create_task(_slow(source)) for _ in range(5)]
    running += [asyncio.create_task(called(source, "who", user="ben")) for _ in range(5)]
    while not all(task.done() for task in running):
        begun = time.monotonic()
        assert (await django.http.get("/page/")).status_code == 200
        slowest = max(slowest, time.monotonic() - begun)
    results = [task.result().value for task in running]
    state = await django.closed()

    assert results == [{"user": "ada"}] * 5 + [{"user": "ben"}] * 5
    assert slowest < 1.0
    assert state["seen"].get("GET", 0) == 0
    assert state["seen"]["DELETE"] == 10


async def test_a_run_that_is_cancelled_closes_its_session_too(django: Django) -> None:
    source = McpSource(django.server)
    tasks = [asyncio.create_task(_slow(source)) for _ in range(2)]
    async with asyncio.timeout(10):
        while len((await django.state())["calls"]) < 2:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    state = await django.closed()
    assert all(task.cancelled() for task in tasks)
    assert (state["seen"].get("GET", 0), state["seen"]["DELETE"]) == (0, 2)


async def _slow(source: McpSource) -> ToolResult:
    async with source.open(ToolCaller(user_id="ada")) as session:
        await session.list()
        return await session.call("sleep", {"seconds": 0.3}, seconds=20)


async def test_each_call_carries_its_own_callers_authorisation(
    django: Django, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    source = McpSource(django.server)
    results = await asyncio.gather(*(called(source, "who", user=user) for user in ("ada", "ben") * 3))
    assert [result.value["user"] for result in results] == ["ada", "ben"] * 3
    with pytest.raises(ToolUnavailable) as refused:
        await called(source, "who", user="eve")
    assert refused.value.status == 401
    assert "Sign in again" in str(refused.value)
    said = caplog.text + repr(source) + repr(django.server) + repr(refused.value) + repr(refused.value.__cause__)
    assert "of-ada" not in said
    assert "of-eve" not in said


@pytest.mark.parametrize(
    ("name", "value", "failed"),
    [
        ("many", [{"id": 1}, {"id": 2}], False),
        ("none", [], False),
        ("fail", {"error": "Error executing tool fail: [ErrorDetail(string='No.', code='invalid')]"}, True),
        ("who", {"user": "ada"}, False),
    ],
)
async def test_results_are_one_json_value(django: Django, name: str, value: Any, *, failed: bool) -> None:
    result = await called(McpSource(django.server), name)
    assert (result.value, result.failed) == (value, failed)


@pytest.mark.parametrize("name", ["large", "odd"])
async def test_an_answer_that_cannot_be_read_has_no_known_outcome(django: Django, name: str) -> None:
    with pytest.raises(OutcomeUnknown):
        await called(McpSource(replace(django.server, max_bytes=1_000_000)), name, seconds=3.0)
    assert (await django.closed())["open"] == 0


async def test_a_call_that_takes_too_long_was_sent_all_the_same(django: Django) -> None:
    source = McpSource(django.server)
    async with source.open(ToolCaller(user_id="ada")) as session:
        await session.list()
        with pytest.raises(OutcomeUnknown):
            await session.call("write", {"seconds": 0.6}, seconds=0.2)
    assert (await django.closed())["effects"] == 1


async def test_a_session_that_the_server_has_forgotten_is_opened_anew(django: Django) -> None:
    source = McpSource(django.server)
    async with source.open(ToolCaller(user_id="ada")) as session:
        await session.list()
        await session.call("forget", {}, seconds=3)
        assert (await session.call("write", {}, seconds=3)).value == {"user": "ada"}
    state = await django.closed()
    assert state["effects"] == 1


@pytest.mark.parametrize("status", [400, 401, 404, 500, 504])
async def test_what_one_call_is_told_is_not_told_of_another(django: Django, status: int) -> None:
    async with McpSource(django.server).open(ToolCaller(user_id="ada")) as session:
        await session.list()
        writing = asyncio.create_task(session.call("write", {"seconds": 0.4}, seconds=5))
        late = asyncio.create_task(session.call("write", {"seconds": 1.5}, seconds=0.6))
        async with asyncio.timeout(10):
            while (await django.state())["effects"] < 2:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        with pytest.raises((ToolUnavailable, OutcomeUnknown)):
            await session.call("who", {"status": status}, seconds=5)
        assert (await writing).value == {"user": "ada"}
        with pytest.raises(OutcomeUnknown):
            await late
    assert (await django.closed())["effects"] == 2


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, ToolUnavailable),
        (403, ToolUnavailable),
        (307, ToolUnavailable),
        (500, OutcomeUnknown),
        (504, OutcomeUnknown),
    ],
)
async def test_a_write_that_is_refused_was_sent_once(django: Django, status: int, outcome: type[Exception]) -> None:
    source = McpSource(django.server)
    with pytest.raises(outcome):
        await called(source, "write", status=status)
    assert (await django.closed())["effects"] == 1


async def test_the_servers_own_error_is_told(django: Django) -> None:
    source = McpSource(django.server)
    for code in (-32603, -32602, -32050, 7):
        result = await called(source, "rpc", code=code)
        assert (result.value, result.failed) == ({"error": "boom"}, True)
    with pytest.raises(OutcomeUnknown):
        await called(source, "rpc", code=-32700)


async def test_a_compressed_answer_is_not_unpacked(django: Django) -> None:
    with pytest.raises(OutcomeUnknown):
        await called(McpSource(django.server), "packed")


async def test_a_tool_that_no_provider_would_take_is_left_out(django: Django) -> None:
    async with McpSource(django.server).open(ToolCaller(user_id="ada")) as session:
        names = {tool.name for tool in await session.list()}
    assert "who" in names
    assert not names & {"odd name!", "x" * 65, ""}


async def test_who_is_refused_the_list_is_told_what_to_do(django: Django) -> None:
    with pytest.raises(ToolUnavailable, match="Sign in again"):
        await called(McpSource(django.server), "who", user="out")


async def test_parallel_calls_on_a_forgotten_session_are_all_made_again(django: Django) -> None:
    async with McpSource(django.server).open(ToolCaller(user_id="ada")) as session:
        await session.list()
        await session.call("forget", {}, seconds=3)
        results = await asyncio.gather(*(session.call("write", {}, seconds=5) for _ in range(4)))
    assert [result.value for result in results] == [{"user": "ada"}] * 4
    assert (await django.closed())["effects"] == 4


async def test_a_server_that_gives_no_list_in_time_is_left_alone(django: Django) -> None:
    source = McpSource(replace(django.server, list_s=0.3))
    held = [asyncio.create_task(django.http.get("/page/?seconds=2")) for _ in range(2)]
    async with asyncio.timeout(10):
        while (await django.state())["busy"] < 2:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    with pytest.raises(ToolUnavailable, match=r"gave no list of its tools within 0\.3 seconds"):
        await called(source, "who")
    await asyncio.gather(*held)
    with pytest.raises(ToolUnavailable, match="cannot be reached"):
        await called(source, "who", user="ben")


async def test_what_writes_is_told_by_the_server_or_the_operator(django: Django) -> None:
    async with McpSource(replace(django.server, prefix="trips_")).open(ToolCaller(user_id="ada")) as session:
        tools = {tool.name: tool for tool in await session.list()}
        assert (await session.call("trips_who", {}, seconds=3)).value == {"user": "ada"}
    assert {name for name, tool in tools.items() if tool.writes} == {"trips_write"}
    async with McpSource(replace(django.server, read_only=frozenset({"write"}))).open(
        ToolCaller(user_id="ada")
    ) as session:
        assert not any(tool.writes for tool in await session.list())


async def test_a_server_that_is_not_there_is_unavailable(django: Django) -> None:
    source = McpSource(replace(django.server, url="http://127.0.0.1:9/mcp", connect_s=1.0))
    async with source.open(ToolCaller(user_id="ada")) as session:
        with pytest.raises(ToolUnavailable, match="cannot be reached"):
            await session.list()


async def test_a_server_that_hangs_is_left_alone_for_a_while(django: Django) -> None:
    asked = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        source = McpSource(replace(django.server, url=f"http://127.0.0.1:{port}/mcp", connect_s=0.2))
        for user in ("ada", "ben"):
            with pytest.raises(ToolUnavailable, match="cannot be reached"):
                await called(source, "who", user=user)
    assert asked == 1


async def test_a_list_is_used_again_and_never_for_another_user(django: Django) -> None:
    source = McpSource(django.server)
    for _ in range(2):
        async with source.open(ToolCaller(user_id="ada")) as session:
            await session.list()
    assert (await django.closed())["seen"]["DELETE"] == 1
    async with source.open(ToolCaller(user_id="eve")) as session:
        with pytest.raises(ToolUnavailable):
            await session.list()
    assert json.dumps((await django.state())["calls"]) == "[]"


async def test_two_users_at_once_through_the_gateway_and_no_token_anywhere(
    django: Django, sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    tokens = {user: f"a-token-of-the-gateway-for-{user}-0001" for user in ("ada", "ben")}
    signed_in = ",".join(f"{user}:{token}" for user, token in tokens.items())
    tables = '[providers.open]\nlabel = "Open"\napi_base = "{upstream}/v1"\nmodels = ["m"]\nneeds_api_key = false\n'
    source = McpSource(django.server)
    raw = b""

    def play(asked: Recorded) -> Answer:
        over = asked.body["messages"][-1]["role"] == "tool"
        return Answer(texts=("Done.",)) if over else Answer(texts=("Who? ",), tool_calls=(Call("c", "who"),))

    async with gateway(
        sqlite_url, tmp_path, tools=(source,), tables=tables, GATEWAY_LANE="native", GATEWAY_AUTH_TOKENS=signed_in
    ) as story:
        story.upstream.script = play
        base = str(story.http.base_url)

        async def ask(user: str) -> bytes:
            headers = {"Authorization": f"Bearer {tokens[user]}"}
            async with checked_client(base, headers, timeout=20) as http:
                id_ = (await http.post("/api/chat/conversations/", json={})).json()["id"]
                body = {"message": "Who am I?", "provider": "open", "model": "m"}
                return (await http.post(f"/api/chat/conversations/{id_}/send_message/", json=body)).content

        answers = await asyncio.gather(*(ask(user) for user in ("ada", "ben") * 3))
        for number, answer in enumerate(answers):
            own = ("ada", "ben")[number % 2]
            assert f'"result":{{"user":"{own}"}}'.encode() in answer
            raw += answer
    state = await django.closed()
    files = await asyncio.to_thread(_contents, tmp_path)
    assert (state["seen"].get("GET", 0), state["seen"]["DELETE"]) == (0, 6)
    for said in (raw, files, caplog.text.encode()):
        assert b"of-ada" not in said
        assert b"of-ben" not in said


def _contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
