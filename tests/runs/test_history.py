from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.db.models import Message
from app.events import RunStatus
from app.providers.model import ChatMessage, ToolCall
from app.runs.history import NOT_RUN, to_chat_messages

SYSTEM = ChatMessage(role="system", content="Be brief.")


def row(seq: int, role: str, content: str = "", **columns: Any) -> Message:
    return Message(id=UUID(int=seq), seq=seq, role=role, content=content, **({"status": "complete"} | columns))


def call(id_: Any = "c1", name: Any = "weather", arguments: Any = "{}") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def history(*rows: Message) -> tuple[ChatMessage, ...]:
    system, *rest = to_chat_messages(rows, "Be brief.")
    assert system == SYSTEM
    return tuple(rest)


def user(content: str) -> ChatMessage:
    return ChatMessage(role="user", content=content)


def assistant(content: str = "", *calls: ToolCall) -> ChatMessage:
    return ChatMessage(role="assistant", content=content, tool_calls=calls)


def result(content: str, call_id: str = "c1", name: str = "weather") -> ChatMessage:
    return ChatMessage(role="tool", content=content, tool_call_id=call_id, name=name)


WEATHER = ToolCall(id="c1", name="weather", arguments="{}")


def test_messages_come_in_the_order_of_their_number() -> None:
    assert history(row(2, "assistant", "b"), row(1, "user", "a")) == (user("a"), assistant("b"))


def test_the_runs_own_placeholder_is_left_out() -> None:
    assert history(row(1, "user", "a"), row(2, "assistant", "", status=RunStatus.RUNNING.value)) == (user("a"),)


def test_of_a_failed_answer_the_text_is_kept_and_nothing_else() -> None:
    stored = [
        row(1, "user", "a"),
        row(2, "assistant", "half", status="failed"),
        row(3, "user", "b"),
        row(4, "assistant", " \n", status="failed"),
        row(5, "user", "c"),
    ]

    assert history(*stored) == (user("a"), assistant("half"), user("b"), user("c"))


def test_results_follow_their_calls_at_once_and_in_their_order() -> None:
    stored = [
        row(1, "assistant", "", tool_calls=[call("c1"), call("c2", "places", "")]),
        row(2, "user", "a"),
        row(3, "tool", "two", tool_call_id="c2"),
        row(4, "tool", "one", tool_call_id="c1"),
    ]

    places = ToolCall(id="c2", name="places", arguments="{}")
    assert history(*stored) == (
        assistant("", WEATHER, places),
        result("one"),
        result("two", "c2", "places"),
        user("a"),
    )


def test_a_call_without_result_gets_one_that_says_so() -> None:
    assert history(row(1, "assistant", "", tool_calls=[call()]), row(2, "user", "a")) == (
        assistant("", WEATHER),
        result(NOT_RUN),
        user("a"),
    )


def test_a_result_without_call_is_dropped() -> None:
    assert history(row(1, "user", "a"), row(2, "tool", "one", tool_call_id="c1"), row(3, "tool", "two")) == (user("a"),)


def test_of_two_results_the_first_counts() -> None:
    stored = [
        row(1, "assistant", "", tool_calls=[call()]),
        row(2, "tool", "one", tool_call_id="c1"),
        row(3, "tool", "two", tool_call_id="c1"),
    ]

    assert history(*stored) == (assistant("", WEATHER), result("one"))


def test_an_id_may_come_back_in_a_later_message() -> None:
    stored = [
        row(1, "assistant", "", tool_calls=[call()]),
        row(2, "tool", "one", tool_call_id="c1"),
        row(3, "assistant", "", tool_calls=[call()]),
        row(4, "tool", "two", tool_call_id="c1"),
    ]

    assert history(*stored) == (assistant("", WEATHER), result("one"), assistant("", WEATHER), result("two"))


def test_calls_that_no_provider_takes_are_dropped() -> None:
    unusable = [
        call(arguments='{"cut'),
        call(arguments="[]"),
        call(arguments=None),
        call(id_=None),
        call(id_=""),
        call(name=""),
        {"id": "c1"},
        None,
        "c1",
    ]

    assert history(row(1, "assistant", "text", tool_calls=unusable)) == (assistant("text"),)
    assert history(row(1, "assistant", "", tool_calls=unusable)) == ()


CALLS = st.builds(
    call,
    st.sampled_from(["c1", "c2", "c3", "", None]),
    st.sampled_from(["weather", ""]),
    st.sampled_from(["{}", "", '{"cut', "[]", None]),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "tool", "system", "other"]),
            "content": st.sampled_from(["", " ", "text"]),
            "status": st.sampled_from(["complete", *RunStatus]),
            "tool_calls": st.none() | st.lists(CALLS, max_size=4),
            "tool_call_id": st.sampled_from([None, "c1", "c2", "c3"]),
        }
    ),
    max_size=12,
)


@given(ROWS)
def test_whatever_is_stored_the_history_is_well_formed(stored: list[dict[str, Any]]) -> None:
    system, *messages = to_chat_messages([row(seq, **one) for seq, one in enumerate(stored)], "Be brief.")

    assert system == SYSTEM
    assert [message for message in messages if message.role == "user"] == [
        user(one["content"]) for one in stored if one["role"] == "user"
    ]
    while messages:
        message = messages.pop(0)
        assert message.role in {"user", "assistant"}
        if message.role == "assistant":
            assert message.content.strip() or message.tool_calls
        ids = [one.id for one in message.tool_calls]
        assert len(set(ids)) == len(ids)
        answers, messages = messages[: len(ids)], messages[len(ids) :]
        assert [(one.role, one.tool_call_id) for one in answers] == [("tool", id_) for id_ in ids]
