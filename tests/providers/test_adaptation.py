"""What a receipt says of a wire is what is sent on it."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from app.providers.adaptation import adaptations
from app.providers.model import ChatMessage, ModelRequest, ToolCall, ToolSpec
from app.providers.native_request import http_request
from app.providers.provider import Chat, Lane, Provider, Route, Wire

LONG = "call_" + "x" * 200
PLAIN = ModelRequest(
    route=Route(
        provider=Provider(id="acme", label="Acme", api_base="https://acme.example/v1", default_model=None),
        model="m",
        wire=Wire.OPENAI_CHAT,
        base_url="https://acme.example/v1",
        lane=Lane.NATIVE,
    ),
    api_key=None,
    messages=(ChatMessage(role="user", content="Secret plans"),),
)
FULL = replace(
    PLAIN,
    messages=(
        ChatMessage(role="system", content="Secret prompt"),
        *PLAIN.messages,
        ChatMessage(role="assistant", tool_calls=(ToolCall(id=LONG, name="noop", arguments="{}"),)),
        ChatMessage(role="tool", content="1", tool_call_id=LONG),
    ),
    tools=(ToolSpec(name="noop"),),
    tool_choice="required",
    max_output_tokens=77,
)
NATIVE = [wire for wire in Wire if wire is not Wire.OLLAMA]


def on(request: ModelRequest, wire: Wire, *, chat: Chat = Chat.USUAL, lane: Lane = Lane.NATIVE) -> ModelRequest:
    provider = replace(request.route.provider, chat=chat)
    return replace(request, route=replace(request.route, wire=wire, provider=provider, lane=lane))


def said(request: ModelRequest) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in adaptations(request, request.route.wire)}


def body(request: ModelRequest) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(http_request(request).body)
    return sent


def at(sent: object, path: str) -> object:
    """Give what stands at a dotted path, in the first item of a list; None where nothing does."""
    for name in path.split("."):
        if isinstance(sent, list):
            sent = cast("list[object]", sent)[0]
        sent = cast("dict[str, object]", sent).get(name) if isinstance(sent, dict) else None
    return sent


@pytest.mark.parametrize("wire", NATIVE)
@pytest.mark.parametrize("chat", list(Chat))
@pytest.mark.parametrize("request_", [PLAIN, FULL], ids=["plain", "full"])
def test_what_is_said_to_be_added_or_renamed_is_there(wire: Wire, chat: Chat, request_: ModelRequest) -> None:
    asked = on(request_, wire, chat=chat)
    sent = body(asked)

    for name, one in said(asked).items():
        if one["change"] == "added":
            assert at(sent, name) == one["value"]
        elif one["change"] == "renamed":
            assert at(sent, one["to"]) is not None
            assert at(sent, name) is None


@pytest.mark.parametrize("wire", NATIVE)
@pytest.mark.parametrize("chat", list(Chat))
def test_nothing_of_it_is_left_unsaid(wire: Wire, chat: Chat) -> None:
    asked = on(FULL, wire, chat=chat)
    sent, told = body(asked), said(asked)
    text = http_request(asked).body.decode()

    assert ("tool_call_id" in told) == (LONG not in text)
    assert ("messages[system]" in told) == (sent.get("messages", [{}])[0].get("role") != "system")
    assert ("max_tokens" in told) == (sent.get("max_tokens") != 77)
    assert ("store" in told) == ("store" in sent)
    assert ("stream_options.include_usage" in told) == ("stream_options" in sent)
    assert ("tool_choice" in told) == ("required" not in text)


@pytest.mark.parametrize("wire", list(Wire))
@pytest.mark.parametrize("lane", list(Lane))
def test_no_text_is_in_it(wire: Wire, lane: Lane) -> None:
    told = json.dumps(adaptations(on(FULL, wire, lane=lane), wire))

    assert "Secret" not in told
    assert LONG not in told
    assert ("litellm" in told) == (lane is Lane.LITELLM)
