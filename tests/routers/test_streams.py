"""Following a run again: what is refused, what says that nothing comes, and what stands for events that are gone."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from app.db.run_events import trim_events
from app.providers.model import TextDelta
from app.runs.clock import utc_now
from tests.replicas.body import DONE, Body, frames, reading, resume, sending
from tests.replicas.sides import Side, Sides, Store, new_conversation
from tests.routers.gateway import UNKNOWN_ID, assert_error
from tests.runs.desk import until
from tests.runs.scripted import STOP, Pause, words
from tests.voyage_reader import read_cut


@pytest.fixture
async def side(sqlite_url: str) -> AsyncGenerator[Side]:
    async with Sides.open(Store(sqlite_url)) as sides:
        yield sides.writer


@asynccontextmanager
async def _writing(side: Side) -> AsyncGenerator[tuple[str, Body, Pause]]:
    """Give a conversation in which a run has shown two events and waits."""
    pause = Pause()
    side.model.play([TextDelta("Half "), pause, TextDelta("whole"), STOP])
    conversation = await new_conversation(side)
    async with sending(side.http, conversation) as body:
        await body.until(lambda: b"Half " in body.content)
        yield conversation, body, pause


async def _answered(side: Side) -> tuple[str, str, bytes]:
    """Give a conversation, its run, which has ended, and the whole stream of that."""
    side.model.play(words("Lisbon is lovely"))
    conversation = await new_conversation(side)
    async with sending(side.http, conversation) as body:
        whole = await body.whole()
    await until(lambda: side.services.hub.count == 0)
    return conversation, body.run_id, whole


async def _get(http: httpx.AsyncClient, parts: dict[str, Any]) -> httpx.Response:
    return await http.get(parts.pop("path"), **parts)


async def _trim(side: Side, before: datetime | None = None) -> None:
    async with side.services.database.write() as session:
        assert await trim_events(session, ended_before=before or utc_now() + timedelta(days=1), limit=100) > 0


async def test_what_is_no_id_of_an_event_of_this_run_is_refused(side: Side) -> None:
    conversation, run, _ = await _answered(side)
    of_no_run = ("x", "1.5", run, f"{UNKNOWN_ID}:1", f"{run}:٣")
    of_none_at_all = (f"{run}:", f"{run}:x", f"{run}:-1", f"{run}:1:2", "x:1")

    for path, wrong in (
        (f"/api/chat/runs/{run}/stream/", (*of_no_run, *of_none_at_all)),
        (f"/api/chat/conversations/{conversation}/stream/", of_none_at_all),
    ):
        for last in wrong:
            refused = await side.http.get(path, headers=[(b"Last-Event-ID", last.encode())])
            error = assert_error(refused, 400, "validation_error")
            assert list(error["error_detail"]["fields"]) == ["Last-Event-ID"], last


async def test_what_is_no_number_of_an_event_is_refused(side: Side) -> None:
    _, run, _ = await _answered(side)

    for after in ("x", "-1", "1.5", " 1", "1e3", "9999999999", "٣"):
        refused = await side.http.get(f"/api/chat/runs/{run}/stream/", params={"after": after})
        assert list(assert_error(refused, 400, "validation_error")["error_detail"]["fields"]) == ["after"], after


@pytest.mark.parametrize("header", [True, False])
async def test_what_comes_after_an_event_that_is_not_there_is_refused(side: Side, *, header: bool) -> None:
    async with _writing(side) as (_, body, pause):
        early = await _get(side.http, resume(body.run_id, 3, header=header))
        pause.release.set()
        last = len(frames(await body.whole())) - 1
    late = await _get(side.http, resume(body.run_id, last + 1, header=header))

    for refused, newest in ((early, 2), (late, last)):
        error = assert_error(refused, 400, "validation_error")
        assert error["error"].startswith(f"The newest event of this run is number {newest}.")


async def test_a_run_that_is_unknown_or_of_somebody_else_is_refused_before_a_byte(side: Side) -> None:
    conversation, run, _ = await _answered(side)

    for http, path in (
        (side.http, f"/api/chat/runs/{UNKNOWN_ID}/stream/"),
        (side.http, "/api/chat/runs/x/stream/"),
        (side.bob, f"/api/chat/runs/{run}/stream/"),
        (side.bob, f"/api/chat/runs/{run}/stream/?after=99"),
        (side.http, f"/api/chat/conversations/{UNKNOWN_ID}/stream/"),
        (side.bob, f"/api/chat/conversations/{conversation}/stream/"),
    ):
        assert_error(await http.get(path), 404, "not_found")
    foreign = await side.bob.get(f"/api/chat/runs/{run}/stream/", headers={"Last-Event-ID": f"{run}:1"})
    assert_error(foreign, 404, "not_found")


async def test_after_the_last_event_nothing_comes(side: Side) -> None:
    _, run, whole = await _answered(side)
    last = len(frames(whole)) - 1

    for header in (True, False):
        seen = await _get(side.http, resume(run, last, header=header))
        assert (seen.status_code, seen.content) == (204, b"")


async def test_the_header_outranks_the_query_and_may_be_empty(side: Side) -> None:
    _, run, whole = await _answered(side)
    path = f"/api/chat/runs/{run}/stream/"

    both = await side.http.get(path, params={"after": "1"}, headers={"Last-Event-ID": f"{run}:2"})
    wrong_query = await side.http.get(path, params={"after": "x"}, headers={"Last-Event-ID": f"{run}:2"})
    empty = await side.http.get(path, params={"after": "2"}, headers={"Last-Event-ID": ""})
    neither = await side.http.get(path)

    assert both.content == wrong_query.content == empty.content == b"".join(frames(whole)[2:])
    assert neither.content == whole
    assert neither.headers["x-run-id"] == run
    assert neither.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_a_conversation_is_followed_while_a_run_writes_in_it(side: Side) -> None:
    async with _writing(side) as (conversation, body, pause):
        path = f"/api/chat/conversations/{conversation}/stream/"
        told = (await side.http.get(f"/api/chat/conversations/{conversation}/")).json()["active_run"]
        async with reading(side.http, path) as all_of_it, reading(side.http, f"{path}?after=1") as rest:
            pause.release.set()
            whole = await body.whole()
            followed = await all_of_it.whole(), await rest.whole()
        await until(lambda: side.services.hub.count == 0)
        over = await side.http.get(path)
        earlier = await side.http.get(path, headers={"Last-Event-ID": f"{body.run_id}:1"})
        read_to_its_end = await side.http.get(
            path, headers={"Last-Event-ID": f"{body.run_id}:{len(frames(whole)) - 1}"}
        )
        told_after = (await side.http.get(f"/api/chat/conversations/{conversation}/")).json()["active_run"]

    assert told == {"id": body.run_id, "status": "running", "last_seq": 2}
    assert followed == (whole, b"".join(frames(whole)[1:]))
    assert (over.status_code, over.content, read_to_its_end.status_code) == (204, b"", 204)
    assert earlier.content == b"".join(frames(whole)[1:])
    assert told_after is None


async def test_a_run_of_another_conversation_is_not_followed_through_this_one(side: Side) -> None:
    _, run, _ = await _answered(side)
    other = await new_conversation(side)

    refused = await side.http.get(f"/api/chat/conversations/{other}/stream/", headers={"Last-Event-ID": f"{run}:1"})

    assert_error(refused, 404, "not_found")


async def test_events_that_are_gone_are_one_snapshot(side: Side) -> None:
    conversation, run, whole = await _answered(side)
    last = len(frames(whole)) - 1
    await _trim(side)

    for parts in (resume(run, 0, header=False), resume(run, last - 1, header=True)):
        await _assert_snapshot(side, parts, run, last)
    assert (await _get(side.http, resume(run, last, header=True))).status_code == 204
    assert (await side.http.get(f"/api/chat/conversations/{conversation}/stream/")).status_code == 204
    assert_error(await _get(side.http, resume(run, last + 1, header=True)), 400, "validation_error")


async def test_a_run_of_the_version_before_is_one_snapshot(side: Side, sqlite_url: str) -> None:
    _, run, _ = await _answered(side)
    await _trim(side)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE runs SET last_seq = NULL")
        connection.commit()

    await _assert_snapshot(side, resume(run, 0, header=False), run, 1)
    assert (await _get(side.http, resume(run, 1, header=True))).status_code == 204
    assert_error(await _get(side.http, resume(run, 2, header=True)), 400, "validation_error")


async def _assert_snapshot(side: Side, parts: dict[str, Any], run: str, seq: int) -> None:
    answer = await _get(side.http, parts)
    frame, done = frames(answer.content)
    head, _, data = frame.removesuffix(b"\n\n").rpartition(b"\ndata: ")
    event = orjson.loads(data)
    chat = read_cut(answer.content, 3)

    assert (answer.status_code, done) == (200, DONE)
    assert head == f"id: {run}:{seq}\nevent: message.snapshot".encode()
    assert (event["v"], event["type"], event["seq"], event["run_id"]) == (1, "message.snapshot", seq, run)
    assert (event["snapshot"]["content"], event["snapshot"]["status"]) == ("Lisbon is lovely ", "completed")
    assert (chat.bubble, chat.tool_results, chat.events) == ("", [], [event])


async def test_the_same_request_again_is_one_snapshot_where_the_events_are_gone(side: Side) -> None:
    side.model.play(words("Lisbon is lovely"))
    path = f"/api/chat/conversations/{await new_conversation(side)}/send_message/"
    headers = {"Idempotency-Key": "once"}
    first = await side.http.post(path, json={"message": "Go"}, headers=headers)
    await until(lambda: side.services.hub.count == 0)
    again = await side.http.post(path, json={"message": "Go"}, headers=headers)
    await _trim(side)

    later = await side.http.post(path, json={"message": "Go"}, headers=headers)

    assert again.content == first.content
    assert (later.headers["idempotency-replayed"], later.headers["x-run-id"]) == ("true", first.headers["x-run-id"])
    frame, done = frames(later.content)
    assert (b"event: message.snapshot\n" in frame, done) == (True, DONE)


async def test_the_voyage_chat_shows_the_same_text_when_it_reads_on(side: Side) -> None:
    _, run, whole = await _answered(side)
    pieces = frames(whole)
    shown = read_cut(whole, 5).bubble

    for after in range(len(pieces) - 1):
        rest = await _get(side.http, resume(run, after, header=True))
        chat = read_cut(b"".join(pieces[:after]) + rest.content, 5)
        assert (chat.bubble, len(chat.events)) == (shown, len(pieces) - 1)
