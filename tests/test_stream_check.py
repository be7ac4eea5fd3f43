"""The check of event streams can fail, and the clients of the suite do check."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from app.providers.model import TextDelta
from tests.routers.drop_in import open_drop_in
from tests.routers.gateway import open_gateway
from tests.runs.scripted import STOP, Pause
from tests.stream_check import check_stream, checked_client
from tests.voyage.played_gateway import Play, PlayedGateway

RUN_ID = "00000000-0000-4000-8000-000000000001"
DONE = b"data: [DONE]\n\n"


BARE = {
    "stream_check.py": "makes the client that checks",
    "tools/test_mcp.py": "asks an MCP server",
    "voyage/frontend.py": "takes the transport that it is given",
    "voyage/test_fake.py": "asks Voyage",
    "test_demo.py": "asks the demo upstream",
    "upstream/asking.py": "asks an upstream",
    "upstream/test_faults.py": "asks an upstream",
    "upstream/test_upstream.py": "asks an upstream",
    "providers/test_lanes.py": "asks an upstream through a lane",
    "test_sse.py": "asks for streams that are not a run's",
    "intake/test_body.py": "asks an app below the gateway",
    "routers/test_application.py": "asks routes that break on purpose",
    "runs/tools/test_branches.py": "reads a stream whose first events are gone",
    "stories/test_start.py": "asks for the health alone",
    "replicas/process.py": "its streams are cut on purpose, and checked by `replicas/history.py`",
    "replicas/invented.py": "tells invented histories",
    "replicas/sides.py": "its streams are cut on purpose, and compared byte for byte",
    "replicas/test_leaving_readers.py": "leaves amid its streams",
}
"""Where a client may be one that checks no streams, and why."""


def event(seq: int, kind: str, /, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, "seq": seq, "run_id": RUN_ID, **fields}, ensure_ascii=False)
    return f"id: {RUN_ID}:{seq}\nevent: {kind}\ndata: {data}\n\n".encode()


STARTED = event(1, "run.started")
DELTA = event(2, "message.delta", content="Hi")
COMPLETED = event(3, "run.completed", status="completed")
FAILED = event(3, "run.failed", status="failed", error="Hi\n\n⚠ Oops.")
GOOD = STARTED + DELTA + COMPLETED + DONE


def test_a_good_stream_gives_its_events() -> None:
    assert [given["type"] for given in check_stream(GOOD)] == ["run.started", "message.delta", "run.completed"]
    assert check_stream(STARTED + b": ping\n\n" + DELTA + FAILED + DONE)[-1]["error"] == "Hi\n\n⚠ Oops."


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "blank line"),
        (GOOD.removesuffix(DONE), "last event"),
        (GOOD + DONE, "twice"),
        (GOOD + b": ping", "blank line"),
        (STARTED + DONE + DELTA + COMPLETED, "last event"),
        (GOOD.removesuffix(b"\n"), "blank line"),
        (GOOD.replace(b"\n", b"\r\n"), "LF alone"),
        (GOOD.replace(b"\n\n", b"\n\n\n"), "unknown field"),
        (GOOD.replace(b"data: {", b"data:{"), "no space"),
        (GOOD.replace(b"data: {", b"data: {\ndata: "), "2 times"),
        (GOOD.replace(b"event: ", b"evnt: "), "unknown field"),
        (GOOD.replace(b"event: ", b"event\nevent: "), "without a value"),
        (GOOD.replace(b"event: message.delta", b"event: other"), "the event says"),
        (b"\xef\xbb\xbf" + GOOD, "byte order"),
        (GOOD.replace(RUN_ID.encode() + b":2", b"x"), "wrong id"),
        (STARTED + event(3, "run.completed", status="completed") + DONE, "gap"),
        (STARTED + DELTA + DONE, "terminal"),
        (STARTED + event(2, "run.completed", status="completed") + COMPLETED + DONE, "terminal"),
        (STARTED + event(2, "message.delta", content={"text": "Hi"}) + COMPLETED + DONE, "content is no text"),
        (STARTED + event(2, "message.delta", content=None) + COMPLETED + DONE, "content is no text"),
        (STARTED + DELTA + event(3, "run.failed", status="failed", error={"a": 1}) + DONE, "error is no text"),
        (STARTED + DELTA + event(3, "run.failed", status="failed", error=" ") + DONE, "error is empty"),
        (STARTED + DELTA + event(3, "run.failed", status="failed", error="Oops.") + DONE, "takes text away"),
        (STARTED + event(2, "oops", error="Oops.") + COMPLETED + DONE, "follows an error"),
        (STARTED + DELTA.replace(b"data: {", b'data: {"tool_result":1,"tool_result":{},') + DONE, "terminal"),
        (GOOD.replace(b'"Hi"', b'"Hi", "x": NaN'), "chat shows"),
    ],
)
def test_a_bad_stream_is_found(body: bytes, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_stream(body)


def test_bytes_that_are_no_text_are_found() -> None:
    with pytest.raises(UnicodeDecodeError):
        check_stream(GOOD.replace(b"Hi", b"\xff"))


def played(body: bytes, *, cut: bool = False) -> Play:
    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(body)
        if cut and request.transport:
            request.transport.close()
        return response

    return play


async def test_every_stream_that_ends_is_checked_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with PlayedGateway() as gateway, checked_client(gateway.base_url) as http:
        gateway.answers = {
            "GET /good": played(GOOD),
            "GET /bad": played(STARTED + DELTA),
            "GET /cut": played(STARTED, cut=True),
        }
        assert (await http.get("/good")).content == GOOD
        with pytest.raises(AssertionError, match="last event"):
            await http.get("/bad")
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/cut")
        async with http.stream("GET", "/bad") as response:
            assert await anext(response.aiter_raw())
        monkeypatch.setattr("tests.stream_check.CLOSE_S", 0.0)
        with pytest.raises(AssertionError, match="after its last event"):
            await http.get("/good")


def test_no_test_reads_the_gateway_with_a_client_that_does_not_check() -> None:
    """Whoever asks the gateway uses `checked_client` or `CheckedTransport`; a new bare client belongs into the list."""
    tests = Path(__file__).parent
    made = re.compile(r"\bAsyncClient\(")
    sources = {path.relative_to(tests).as_posix(): path.read_text(encoding="utf-8") for path in tests.rglob("*.py")}

    assert {name for name, text in sources.items() if made.search(text)} == set(BARE)


async def test_the_clients_of_the_suite_check_their_streams(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []

    def check(body: bytes, _: Sequence[bytes]) -> None:
        checked.append(body)

    monkeypatch.setattr("tests.stream_check.check_stream", check)
    pause = Pause()
    async with open_gateway(database_url, [TextDelta("Hi"), STOP], [TextDelta("Hi"), pause, STOP]) as gateway:
        id_ = await gateway.new_conversation()
        await gateway.tell(id_)
        async with gateway.http.stream(
            "POST", f"/api/chat/conversations/{id_}/send_message/", json={"message": "Hi"}
        ) as response:
            await anext(response.aiter_raw())
        pause.release.set()
    assert len(checked) == 1

    async with open_drop_in(database_url) as drop_in:
        page = await drop_in.chat()
        await page.send("Hi")
    assert len(checked) == 2
    assert all(body.endswith(DONE) for body in checked)
