from hypothesis import given
from hypothesis import strategies as st

from app.events import Usage
from app.providers.model import ChatMessage, ModelRequest, ToolCall
from app.providers.registry import Registry
from app.runs.estimate import estimate_usage, message_tokens, tokens
from tests.runs.desk import PROVIDER


def test_four_characters_of_english_are_about_a_token() -> None:
    assert [tokens(text) for text in ("", "a", "abcd", "abcde", "a" * 400)] == [0, 1, 1, 2, 100]


def test_other_scripts_take_about_a_token_for_each_character() -> None:
    assert [tokens(text) for text in ("日本語", "é", "abcdé", "🐙" * 10)] == [3, 1, 2, 10]


@given(st.text(), st.text())
def test_a_longer_text_never_has_fewer_tokens(text: str, more: str) -> None:
    assert tokens(text) <= tokens(text + more) <= tokens(text) + tokens(more)


def test_a_message_counts_with_its_frame_and_its_calls() -> None:
    bare = ChatMessage(role="assistant", content="abcd")
    call = ToolCall(id="c1", name="abcd", arguments='{"a":12}')

    assert message_tokens(bare) == 5
    assert message_tokens(ChatMessage(role="assistant", content="abcd", tool_calls=(call, call))) == 5 + 2 * 3


def test_usage_is_marked_as_estimated_and_absent_without_a_call() -> None:
    messages = (ChatMessage(role="system", content="abcd"), ChatMessage(role="user", content="abcdefgh"))
    request = ModelRequest(
        route=Registry({"acme": PROVIDER}).resolve("acme", "acme-1"), api_key=None, messages=messages
    )

    assert estimate_usage(request, ["abcd", "", "日"]) == Usage(input=11, output=2, estimated=True)
    assert estimate_usage(request, []) == Usage(input=11, output=0, estimated=True)
    assert estimate_usage(None, ["abcd"]) is None
