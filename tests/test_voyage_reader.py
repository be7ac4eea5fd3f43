"""The port of the Voyage chat's reader reacts as the real one does: a row for each reaction that was observed."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from app.sse import frame
from tests.stream_check import check_stream
from tests.tool_results import WireEvent
from tests.voyage.chat_page import CONNECTION_ERROR, ChatPage
from tests.voyage.fake import FakeVoyage
from tests.voyage.frontend import Frontend
from tests.voyage.played_gateway import Play, PlayedGateway, html_answer, json_answer, stream
from tests.voyage_reader import BREAKS, VoyageReader, read_all, read_cut

SEND = "POST /api/chat/conversations/c1/send_message/"
DONE = b"data: [DONE]\n\n"


def line(event: Any) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()


RUN_ID = "00000000-0000-4000-8000-000000000001"
event = partial(WireEvent, run_id=RUN_ID)
HI = line({"content": "Hi"})
OOPS = line({"error": "Oops."})


@pytest.mark.parametrize(
    "body",
    [
        HI.replace(b"\n", b"\r\n"),
        b": ping\n\n" + HI,
        b"event: message\nid: 1\nretry: 5\n" + HI,
        HI + line({"type": "meta", "seq": 1}) + line({"usage": {"input": 1}}) + b"data: null\n\n" + b"data: [1]\n\n",
        b'data: {"content": "\n\n' + HI,
        b'data: {"content": NaN}\n\n' + HI,
        b'data:  \xc2\xa0{"content":"Hi"}\xef\xbb\xbf\n\n',
        HI + line({"content": ""}) + line({"error": ""}) + line({"error": None}) + DONE,
    ],
    ids=["crlf", "comment", "fields", "unknown events", "half an object", "no JSON", "trimmed", "empty values"],
)
def test_what_the_chat_reads(body: bytes) -> None:
    assert read_all([body]).bubble == "Hi"
    assert read_cut(body, 1).bubble == "Hi"


@pytest.mark.parametrize(
    "body",
    [
        b'data:{"content":"Hi"}\n\n',
        b'data: {"content":"Hi"}\r\r',
        b'data: {"content":\ndata: "Hi"}\n\n',
        b' data: {"content":"Hi"}\n\n',
        b'data: {"content":"Hi"}',
        b"",
        DONE,
        b'data: "Hi"\n\n',
    ],
    ids=["no space", "cr only", "two data lines", "indented", "no newline at the end", "empty", "only DONE", "a text"],
)
def test_what_the_chat_passes_over(body: bytes) -> None:
    for reader in (read_all([body]), read_cut(body, 1)):
        assert (reader.bubble, reader.events, reader.tool_results) == ("", [], [])


@pytest.mark.parametrize("size", range(1, 9))
def test_a_character_may_be_cut_at_any_byte(size: int) -> None:
    body = 'data: {"content":"Zürich 東京 🧭"}\n\n'.encode()

    assert read_cut(body, size).bubble == "Zürich 東京 🧭"


def test_an_error_replaces_the_text() -> None:
    error = {"error": "Oops.", "error_category": "rate_limited", "retry_after": 7}
    body = HI + b"event: error\n" + line(error) + DONE

    assert read_all([body]).bubble == read_cut(body, 1).bubble == "Oops."
    assert read_all([line({"content": "Hi", "error": "Oops."})]).bubble == "Oops."


def test_text_after_an_error_is_skipped_in_its_chunk_and_comes_back_in_the_next() -> None:
    assert read_all([HI + OOPS + line({"content": " you"})]).bubble == "Oops."
    assert read_all([HI + OOPS, line({"content": " you"})]).bubble == "Hi you"


@pytest.mark.parametrize("error", [{"message": "Oops."}, {}, [], ["Oops."], True, 500])
def test_an_error_that_is_no_text_breaks_the_panel(error: Any) -> None:
    with pytest.raises(AssertionError, match=BREAKS):
        read_all([HI + line({"error": error})])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"text": "Hi"}, "[object Object]"),
        ([{"type": "text"}, "Hi", None, [1, 2]], "[object Object],Hi,,1,2"),
        ([], ""),
        (42, "42"),
        (1.5, "1.5"),
        (2.0, "2"),
        (True, "true"),
        (False, ""),
        (0, ""),
        (None, ""),
    ],
)
def test_content_that_is_no_text_is_written_as_javascript_does(content: Any, text: str) -> None:
    assert read_all([line({"content": content})]).bubble == text


def test_tool_results_stand_once_for_each_call() -> None:
    first: dict[str, Any] = {"tool_call_id": "a", "name": "get_weather", "result": {"results": []}}
    again = {**first, "result": {"results": [{"available": True}]}}
    second = {**first, "tool_call_id": "b"}
    body = line({"tool_result": first}) + line({"tool_result": again}) + line({"tool_result": second})

    assert read_cut(body, 1).tool_results == [first, second]


def test_a_tool_result_in_our_frames_is_read_as_it_was_sent() -> None:
    found = [
        {"name": "Café Ñandú 🦐\r\n\u2028", "address": "Rua 1", "latitude": 38.7, "longitude": -9.1, "link": None},
    ]
    places = {"location": "Lisbon", "category": "food", "results": found}
    results = [
        {"tool_call_id": "call_a", "name": "search_places", "result": places},
        {"tool_call_id": "call_b", "name": "get_weather", "result": {"error": "No such place."}},
    ]
    entries = [
        event(1, "message.delta", content="One moment. "),
        *(event(seq, "tool.result", tool_result=result) for seq, result in enumerate(results, start=2)),
        event(4, "message.delta", content="Here you are."),
        event(5, "run.completed", status="completed"),
    ]
    body = b"".join(frame(entry, RUN_ID) for entry in entries) + DONE

    check_stream(body)
    for size in (1, 7, len(body)):
        reader = read_cut(body, size)
        assert (reader.tool_results, reader.bubble) == (results, "One moment. Here you are.")


def _sent(body: bytes, *, until: asyncio.Event) -> Play:
    """Send all of `body`, but end it later."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(body)
        await until.wait()
        return response

    return play


async def _page(gateway: PlayedGateway, frontend: Frontend) -> ChatPage:
    entry = {"id": "a", "available_for_chat": True, "user_configured": True, "default_model": "m"}
    gateway.play("GET /api/chat/providers", [entry])
    gateway.play("GET /api/chat/providers/a/models", {"models": ["m"]})
    gateway.play("POST /api/chat/conversations/", {"id": "c1", "title": "", "messages": []}, 201)
    page = ChatPage(frontend)
    await page.load()
    return page


async def test_the_spinner_turns_until_the_body_ends_whatever_done_says() -> None:
    ending = asyncio.Event()
    async with (
        FakeVoyage() as voyage,
        PlayedGateway() as gateway,
        Frontend(gateway.base_url, voyage.base_url, None) as f,
    ):
        page = await _page(gateway, f)
        gateway.answers[SEND] = _sent(HI + DONE, until=ending)
        sending = asyncio.create_task(page.send("Hello"))
        async with asyncio.timeout(5):
            while page.bubble != "Hi":  # noqa: ASYNC110 - a person looks at the page
                await asyncio.sleep(0.002)
        assert page.streaming
        ending.set()
        assert await sending == "Hi"
        assert not page.streaming


@pytest.mark.parametrize(
    ("answer", "bubble"),
    [
        (stream({"content": "Half"}, cut=True), CONNECTION_ERROR),
        (json_answer({"error": "message is required"}, 400), "message is required"),
        (json_answer({"detail": "Not found."}, 404), CONNECTION_ERROR),
        (html_answer(500), CONNECTION_ERROR),
    ],
    ids=["cut", "status with error", "status with detail only", "status with HTML"],
)
async def test_what_the_page_around_the_reader_shows(answer: Play, bubble: str) -> None:
    async with (
        FakeVoyage() as voyage,
        PlayedGateway() as gateway,
        Frontend(gateway.base_url, voyage.base_url, None) as f,
    ):
        page = await _page(gateway, f)
        gateway.answers[SEND] = answer

        assert await page.send("Hello") == bubble
        assert not page.streaming


def test_a_line_in_many_pieces_is_one_line() -> None:
    reader = VoyageReader()
    for byte in HI:
        assert reader.bubble == ""
        reader.feed(bytes([byte]))
        if reader.bubble:
            break
    assert reader.bubble == "Hi"
