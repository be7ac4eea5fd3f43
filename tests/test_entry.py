from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.entry import MAX_DELTA_CHARS, encode, encode_detached, encode_snapshot, join_deltas, text_of
from app.errors import ErrorBody, ServerShutdown
from app.events import Event, MessageDelta, ReasoningDelta, RunEnded, RunRetrying, RunStatus, ToolCallDelta

TEXT = st.sampled_from(["", "a", "Ünï🐙", " \n", "x" * 9_000]) | st.text(max_size=5)
IDS = st.sampled_from(["m1", "m2"])
PIECES: st.SearchStrategy[Event] = st.one_of(
    st.builds(MessageDelta, message_id=IDS, content=TEXT),
    st.builds(ReasoningDelta, message_id=IDS, reasoning=TEXT),
    st.builds(
        ToolCallDelta,
        message_id=IDS,
        index=st.integers(0, 1),
        id=st.sampled_from([None, None, "c1"]),
        name=st.sampled_from([None, None, "f"]),
        arguments=TEXT,
    ),
    st.builds(RunRetrying, attempt=st.integers(1, 2), delay_s=st.just(0.5), reason=st.just("rate_limited")),
)


def end(status: RunStatus = RunStatus.COMPLETED) -> RunEnded:
    return RunEnded(status=status, message_id="m", provider="p", model="x")


def taken_apart(event: Event) -> tuple[Event, str]:
    """Give an event without its text, and the text."""
    match event:
        case MessageDelta(content=text):
            return replace(event, content=""), text
        case ReasoningDelta(reasoning=text):
            return replace(event, reasoning=""), text
        case ToolCallDelta(arguments=text):
            return replace(event, arguments="", id=None, name=None), text
        case _:
            return event, ""


def texts(events: Iterable[Event]) -> list[tuple[Event, str]]:
    """Give what events say, however it was cut: neighbours that say the same kind of thing are one."""
    groups = groupby(map(taken_apart, events), key=lambda pair: pair[0])
    return [(kind, "".join(text for _, text in group)) for kind, group in groups if not isinstance(kind, RunRetrying)]


def named_calls(events: Iterable[Event]) -> list[tuple[int, str | None, str | None]]:
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    return [(call.index, call.id, call.name) for call in calls if call.id or call.name]


@given(st.lists(PIECES, max_size=30))
def test_joined_deltas_say_the_same_in_the_same_order(events: list[Event]) -> None:
    joined = list(join_deltas(events))

    assert texts(joined) == texts(events)
    assert named_calls(joined) == named_calls(events), "each call begins once, with its own name"
    assert joined.count(RunRetrying(attempt=1, delay_s=0.5, reason="rate_limited")) == events.count(
        RunRetrying(attempt=1, delay_s=0.5, reason="rate_limited")
    )
    assert len(joined) <= len(events)


@given(st.lists(PIECES, max_size=30))
def test_no_joined_delta_is_longer_than_it_may_be(events: list[Event]) -> None:
    longest = max((len(taken_apart(event)[1]) for event in events), default=0)

    assert all(len(taken_apart(event)[1]) <= max(MAX_DELTA_CHARS, longest) for event in join_deltas(events))


def test_as_much_as_fits_is_joined() -> None:
    half = MessageDelta(message_id="m", content="x" * (MAX_DELTA_CHARS // 2))

    assert [len(taken_apart(event)[1]) for event in join_deltas([half] * 5)] == [
        MAX_DELTA_CHARS,
        MAX_DELTA_CHARS,
        MAX_DELTA_CHARS // 2,
    ]
    assert list(join_deltas([])) == []


def test_a_piece_that_is_too_long_by_itself_is_not_cut() -> None:
    long = MessageDelta(message_id="m", content="x" * (MAX_DELTA_CHARS + 1))

    assert list(join_deltas([long, long])) == [long, long]


def test_an_event_is_one_line_of_json_with_its_number() -> None:
    entry = encode(MessageDelta(message_id="m", content="a\nü\u2028"), run_id="r", seq=7)

    assert entry.data.splitlines() == [entry.data]
    assert orjson.loads(entry.data) == {
        "v": 1,
        "type": "message.delta",
        "seq": 7,
        "run_id": "r",
        "message_id": "m",
        "content": "a\nü\u2028",
    }
    assert (entry.seq, entry.type, entry.terminal) == (7, "message.delta", False)


@given(TEXT)
def test_what_is_not_durable_says_so_and_nothing_else_differs(text: str) -> None:
    entry = encode(MessageDelta(message_id="m", content=text), run_id="r", seq=1)
    marked = entry.not_durable()

    assert orjson.loads(marked.data) == orjson.loads(entry.data) | {"durable": False}
    assert (marked.seq, marked.type) == (entry.seq, entry.type)


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_run_ends_with_any_status_but_those_that_go_on(status: RunStatus) -> None:
    assert encode(end(status), run_id="r", seq=1).terminal is status.terminal
    going_on = {"queued", "running", "awaiting_tools", "awaiting_approval"}
    assert status.terminal is (status.value not in going_on)


def test_what_concerns_one_connection_has_no_number() -> None:
    error = ErrorBody(error=ServerShutdown(), run_id="r", partial_text="so far")
    entry = encode_detached("r", retry_ms=250, error=error)
    data = orjson.loads(entry.data)

    assert (entry.seq, entry.type, entry.terminal, "seq" in data) == (0, "stream.detached", False, False)
    assert (data["resume_url"], data["retry_ms"]) == ("/api/chat/runs/r/stream/", 250)
    assert data["error"].startswith("so far\n\n⚠ "), "a reader that knows nothing of it keeps the text"
    assert data["error_category"] == "server_shutdown"


def test_a_snapshot_keeps_the_legacy_key_free() -> None:
    entry = encode_snapshot("r", seq=9, snapshot={"content": "whole"})

    assert (entry.seq, entry.terminal) == (9, True)
    assert orjson.loads(entry.data) == {
        "v": 1,
        "type": "message.snapshot",
        "seq": 9,
        "run_id": "r",
        "snapshot": {"content": "whole"},
    }


def test_the_text_shown_is_that_of_the_message_alone() -> None:
    said: list[Event] = [
        MessageDelta(message_id="m", content="Ro"),
        ReasoningDelta(message_id="m", reasoning="hm"),
        MessageDelta(message_id="m", content="me"),
        end(),
    ]

    assert text_of(encode(event, run_id="r", seq=seq) for seq, event in enumerate(said, 1)) == "Rome"
