"""What our own lane sends on each wire: exactly what was asked, and nothing that the wire refuses."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from app.providers.model import ChatMessage, ModelRequest, ToolCall, ToolSpec
from app.providers.native_request import http_request
from app.providers.provider import Chat, Lane, Wire
from tests.providers.calls import KEY, TOOL, request_to, route_to

SIGNED = "fc_1__thought__c2lnbmF0dXJl+/="
HISTORY = (
    ChatMessage(role="system", content="Be brief."),
    ChatMessage(role="system", content="Speak German."),
    ChatMessage(role="user", content="Weather?"),
    ChatMessage(
        role="assistant",
        content="Moment.",
        tool_calls=(
            ToolCall(id=SIGNED, name="get_weather", arguments='{"city":"Bern"}'),
            ToolCall(id="call_b", name="get_news", arguments=""),
        ),
    ),
    ChatMessage(role="tool", content='{"t":9}', tool_call_id=SIGNED, name="get_weather"),
    ChatMessage(role="tool", content="none", tool_call_id="call_b", name="get_news"),
    ChatMessage(role="user", content="And Rome?"),
)


def asked(
    wire: Wire, *messages: ChatMessage, model: str = "test-model", chat: Chat = Chat.USUAL, **changes: Any
) -> ModelRequest:
    route = route_to("http://h", wire, model=model, lane=Lane.NATIVE)
    route = replace(route, provider=replace(route.provider, chat=chat))
    return replace(request_to(route, messages=messages or HISTORY, tools=()), **changes)


def body(request: ModelRequest) -> dict[str, Any]:
    sent: dict[str, Any] = orjson.loads(http_request(request).body)
    return sent


def test_chat() -> None:
    sent = body(asked(Wire.OPENAI_CHAT))

    assert sent.keys() == {"model", "messages", "stream", "stream_options"}
    assert (sent["model"], sent["stream"], sent["stream_options"]) == ("test-model", True, {"include_usage": True})
    assert [message["role"] for message in sent["messages"]] == [message.role for message in HISTORY]
    calls = sent["messages"][3]["tool_calls"]
    assert [call["function"] for call in calls] == [
        {"name": "get_weather", "arguments": '{"city":"Bern"}'},
        {"name": "get_news", "arguments": ""},
    ]
    assert calls[0]["id"] == sent["messages"][4]["tool_call_id"] == SIGNED
    assert sent["messages"][4] == {"role": "tool", "content": '{"t":9}', "tool_call_id": SIGNED}


def test_an_assistant_that_only_calls_says_nothing() -> None:
    call = ToolCall(id="a", name="f", arguments="{}")
    sent = body(asked(Wire.OPENAI_CHAT, ChatMessage(role="assistant", tool_calls=(call,))))

    assert sent["messages"][0]["content"] is None


@pytest.mark.parametrize("wire", [Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, Wire.ANTHROPIC_MESSAGES])
def test_ids_that_the_wire_would_refuse_are_replaced_in_call_and_result_alike(wire: Wire) -> None:
    long = "call_" + "ä+/" * 50
    call = ToolCall(id=long, name="f", arguments="{}")
    raw = http_request(
        asked(
            wire,
            ChatMessage(role="user", content="?"),
            ChatMessage(role="assistant", tool_calls=(call,)),
            ChatMessage(role="tool", content="1", tool_call_id=long),
        )
    ).body.decode()

    assert long not in raw
    # The same one stands in the call and in its result.
    ids = [part for part in raw.replace("'", '"').split('"') if len(part) in {40, 64} and part.isalnum()]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_mistral_wants_the_same_under_other_names() -> None:
    sent = body(asked(Wire.OPENAI_CHAT, chat=Chat.MISTRAL, tools=(TOOL,), tool_choice="required"))

    assert "stream_options" not in sent
    assert sent["tool_choice"] == "any"
    ids = [call["id"] for call in sent["messages"][3]["tool_calls"]]
    assert ids == [message["tool_call_id"] for message in sent["messages"][4:6]]
    assert all(len(id_) == 9 and id_.isalnum() for id_ in ids)
    assert len(set(ids)) == 2


def test_ids_of_mistrals_own_stay() -> None:
    call = ToolCall(id="D681PevKs", name="f", arguments="{}")
    sent = body(asked(Wire.OPENAI_CHAT, ChatMessage(role="assistant", tool_calls=(call,)), chat=Chat.MISTRAL))

    assert sent["messages"][0]["tool_calls"][0]["id"] == "D681PevKs"


def test_responses() -> None:
    sent = body(asked(Wire.OPENAI_RESPONSES))

    assert sent.keys() == {"model", "input", "stream", "store", "instructions"}
    assert (sent["stream"], sent["store"], sent["instructions"]) == (True, False, "Be brief.\n\nSpeak German.")
    assert sent["input"] == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Moment."},
        {"type": "function_call", "call_id": SIGNED, "name": "get_weather", "arguments": '{"city":"Bern"}'},
        {"type": "function_call", "call_id": "call_b", "name": "get_news", "arguments": ""},
        {"type": "function_call_output", "call_id": SIGNED, "output": '{"t":9}'},
        {"type": "function_call_output", "call_id": "call_b", "output": "none"},
        {"role": "user", "content": "And Rome?"},
    ]


def test_messages() -> None:
    sent = body(asked(Wire.ANTHROPIC_MESSAGES))

    assert sent.keys() == {"model", "max_tokens", "messages", "stream", "system"}
    assert sent["system"] == "Be brief.\n\nSpeak German."
    # Results and the next question are one turn: roles must take turns.
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    text, first, second = sent["messages"][1]["content"]
    assert text == {"type": "text", "text": "Moment."}
    assert (first["type"], first["name"], first["input"]) == ("tool_use", "get_weather", {"city": "Bern"})
    assert second == {"type": "tool_use", "id": "call_b", "name": "get_news", "input": {}}
    results = sent["messages"][2]["content"]
    assert [block["type"] for block in results] == ["tool_result", "tool_result", "text"]
    assert [block.get("tool_use_id") for block in results[:2]] == [first["id"], "call_b"]
    assert results[0]["content"] == '{"t":9}'


def test_messages_never_begin_with_the_assistant_nor_hold_blanks() -> None:
    sent = body(
        asked(
            Wire.ANTHROPIC_MESSAGES,
            ChatMessage(role="assistant", content="Welcome!"),
            ChatMessage(role="user", content=" \n"),
            ChatMessage(role="user", content="Hi"),
            ChatMessage(role="user", content="again"),
        )
    )

    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    assert [block["text"] for block in sent["messages"][2]["content"]] == ["Hi", "again"]


def test_gemini() -> None:
    sent = body(asked(Wire.GEMINI, model="gemini-3.5-flash"))

    assert sent.keys() == {"contents", "systemInstruction"}
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief.\n\nSpeak German."}]}
    assert [turn["role"] for turn in sent["contents"]] == ["user", "model", "user"]
    text, first, second = sent["contents"][1]["parts"]
    assert text == {"text": "Moment."}
    assert first == {
        "functionCall": {"id": "fc_1", "name": "get_weather", "args": {"city": "Bern"}},
        "thoughtSignature": "c2lnbmF0dXJl+/=",
    }
    assert second == {"functionCall": {"id": "call_b", "name": "get_news", "args": {}}}
    assert sent["contents"][2]["parts"] == [
        {"functionResponse": {"id": "fc_1", "name": "get_weather", "response": {"t": 9}}},
        {"functionResponse": {"id": "call_b", "name": "get_news", "response": {"content": "none"}}},
        {"text": "And Rome?"},
    ]


@pytest.mark.parametrize(
    ("model", "signed"), [("gemini-2.5-flash", False), ("gemini-3.5-flash", True), ("gemini-10-pro", True)]
)
def test_newer_geminis_get_a_signature_for_the_first_call_of_another_model(model: str, *, signed: bool) -> None:
    calls = tuple(ToolCall(id=id_, name="f", arguments="{}") for id_ in ("a", "b"))
    sent = body(asked(Wire.GEMINI, ChatMessage(role="assistant", tool_calls=calls), model=model))

    assert ["thoughtSignature" in part for part in sent["contents"][0]["parts"]] == [signed, False]


def test_a_result_without_a_name_gets_that_of_its_call() -> None:
    call = ToolCall(id="a", name="get_weather", arguments="{}")
    sent = body(
        asked(
            Wire.GEMINI,
            ChatMessage(role="assistant", tool_calls=(call,)),
            ChatMessage(role="tool", content="[1]", tool_call_id="a"),
        )
    )

    response = sent["contents"][1]["parts"][0]["functionResponse"]
    assert response == {"id": "a", "name": "get_weather", "response": {"content": "[1]"}}


BARE = ToolSpec(name="now")
CHOICES: dict[Wire, dict[str, Any]] = {
    Wire.OPENAI_CHAT: {
        "auto": "auto",
        "none": "none",
        "required": "required",
        "now": {"type": "function", "function": {"name": "now"}},
    },
    Wire.OPENAI_RESPONSES: {
        "auto": "auto",
        "none": "none",
        "required": "required",
        "now": {"type": "function", "name": "now"},
    },
    Wire.ANTHROPIC_MESSAGES: {
        "auto": {"type": "auto"},
        "none": {"type": "none"},
        "required": {"type": "any"},
        "now": {"type": "tool", "name": "now"},
    },
    Wire.GEMINI: {
        "auto": {"functionCallingConfig": {"mode": "AUTO"}},
        "none": {"functionCallingConfig": {"mode": "NONE"}},
        "required": {"functionCallingConfig": {"mode": "ANY"}},
        "now": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["now"]}},
    },
}


@pytest.mark.parametrize(
    ("wire", "choice", "sent"),
    [(wire, choice, sent) for wire, rows in CHOICES.items() for choice, sent in rows.items()],
)
def test_each_wire_has_its_words_for_the_choice_of_a_tool(wire: Wire, choice: str, sent: object) -> None:
    key = "toolConfig" if wire is Wire.GEMINI else "tool_choice"

    assert body(asked(wire, tools=(BARE,), tool_choice=choice))[key] == sent
    assert key not in body(asked(wire, tools=(BARE,)))
    assert key not in body(asked(wire, tool_choice=choice))


def test_each_wire_has_its_form_of_a_tool() -> None:
    schema = TOOL.parameters
    tools = (replace(TOOL, description="Tells it."), BARE)
    chat, responses, messages, gemini = (body(asked(wire, tools=tools))["tools"] for wire in CHOICES)

    assert chat[0] == {
        "type": "function",
        "function": {"name": "get_weather", "description": "Tells it.", "parameters": schema},
    }
    assert responses[0] == {
        "type": "function",
        "name": "get_weather",
        "description": "Tells it.",
        "parameters": schema,
        "strict": False,
    }
    assert messages == [
        {"name": "get_weather", "description": "Tells it.", "input_schema": schema},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert gemini[0]["functionDeclarations"] == [
        {"name": "get_weather", "description": "Tells it.", "parametersJsonSchema": schema},
        {"name": "now", "description": ""},
    ]


@pytest.mark.parametrize(
    ("wire", "chat", "place"),
    [
        (Wire.OPENAI_CHAT, Chat.USUAL, ("max_tokens",)),
        (Wire.OPENAI_CHAT, Chat.MISTRAL, ("max_tokens",)),
        (Wire.OPENAI_CHAT, Chat.OPENAI, ("max_completion_tokens",)),
        (Wire.OPENAI_RESPONSES, Chat.OPENAI, ("max_output_tokens",)),
        (Wire.ANTHROPIC_MESSAGES, Chat.USUAL, ("max_tokens",)),
        (Wire.GEMINI, Chat.USUAL, ("generationConfig", "maxOutputTokens")),
    ],
)
def test_each_wire_has_its_name_for_the_limit(wire: Wire, chat: Chat, place: tuple[str, ...]) -> None:
    found: Any = body(asked(wire, chat=chat, max_output_tokens=77))
    for key in place:
        found = found[key]

    assert found == 77


@pytest.mark.parametrize(
    ("wire", "path", "header"),
    [
        (Wire.OPENAI_CHAT, "/v1/chat/completions", ("authorization", f"Bearer {KEY}")),
        (Wire.OPENAI_RESPONSES, "/v1/responses", ("authorization", f"Bearer {KEY}")),
        (Wire.ANTHROPIC_MESSAGES, "/v1/messages", ("x-api-key", KEY)),
        (Wire.GEMINI, "/v1beta/models/m-1:streamGenerateContent?alt=sse", ("x-goog-api-key", KEY)),
    ],
)
def test_where_it_goes_and_with_which_headers(wire: Wire, path: str, header: tuple[str, str]) -> None:
    request = asked(wire, model="m-1", session_id="c-1")
    provider = replace(
        request.route.provider,
        session_header="X-Session",
        headers={"User-Agent": "ours/1", "X-Team": "a", "Content-Type": "x"},
    )
    sent = http_request(replace(request, route=replace(request.route, provider=provider)))
    keyless = http_request(replace(request, api_key=None))

    assert sent.url == f"http://h{path}"
    expected = {"accept": "text/event-stream", "content-type": "application/json", "user-agent": "ours/1"}
    expected |= {"x-team": "a", "x-session": "c-1", header[0]: header[1]}
    expected |= {"anthropic-version": "2023-06-01"} if wire is Wire.ANTHROPIC_MESSAGES else {}
    assert sent.headers == expected
    assert keyless.headers["user-agent"].startswith("voyage-llm-gateway/")
    assert header[0] not in keyless.headers


@pytest.mark.parametrize("wire", list(CHOICES))
def test_half_a_surrogate_pair_is_sent_escaped(wire: Wire) -> None:
    raw = http_request(asked(wire, ChatMessage(role="user", content="\ud83d"))).body

    assert b"\\ud83d" in raw
