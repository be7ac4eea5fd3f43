"""What is behind the port: exact answers, true ends, typed errors, closed sockets, in every lane and on every wire."""

import json
from dataclasses import replace

import httpx
import pytest

from app.events import FinishReason, Usage
from app.providers import litellm_bridge
from app.providers.litellm_lane import LitellmLane
from app.providers.model import ChatMessage, ModelClient, ToolCall
from app.providers.provider import Wire
from tests.providers.calls import KEY, QUICK, call, request_to, route_to
from tests.upstream import BY_NAME, FAULTS, Answer, Call, Exchange, Fault, Upstream, refused_port, tls_upstream

WIRES = list(Wire)
UNICODE = ("Grüße aus ", "東京", " 🧭🏔️", '\n\n# “Ende” \\ {"a": 1}')
TWO_CALLS = (
    Call("call_a", "get_weather", ('{"ci', 'ty": "Zürich"}')),
    Call("call_b", "get_weather", ('{"city"', ': "東京"}')),
)


@pytest.mark.parametrize("split", [None, 1, 7])
@pytest.mark.parametrize("wire", WIRES)
async def test_text_and_usage_arrive_exactly(
    lane: ModelClient, upstream: Upstream, wire: Wire, split: int | None
) -> None:
    upstream.script = Answer(texts=UNICODE, split=split, usage=Usage(input=11, output=7, cached=0))

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire), tools=()))

    assert outcome.error is None
    assert outcome.text == "".join(UNICODE)
    assert outcome.usage is not None
    assert (outcome.usage.input, outcome.usage.output, outcome.usage.estimated) == (11, 7, False)
    assert [finish.reason for finish in outcome.finish] == [FinishReason.STOP]


@pytest.mark.parametrize("wire", WIRES)
async def test_parallel_tool_calls_stay_apart(lane: ModelClient, upstream: Upstream, wire: Wire) -> None:
    upstream.script = Answer(texts=("Let me see.",), tool_calls=TWO_CALLS, interleaved=True)

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire)))

    assert outcome.error is None
    assert [(made.name, json.loads(made.arguments)) for made in outcome.calls] == [
        (made.name, json.loads(made.arguments)) for made in TWO_CALLS
    ]
    assert len({made.id for made in outcome.calls}) == 2
    assert [finish.reason for finish in outcome.finish] == [FinishReason.TOOL_CALLS]
    assert upstream.calls[0].json_object["tools"]


@pytest.mark.parametrize("wire", WIRES)
async def test_length_is_told(lane: ModelClient, upstream: Upstream, wire: Wire) -> None:
    upstream.script = Answer(finish=FinishReason.LENGTH)

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire)))

    assert [finish.reason for finish in outcome.finish] == [FinishReason.LENGTH]


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire is not Wire.OLLAMA])
async def test_a_content_filter_is_told(lane: ModelClient, upstream: Upstream, wire: Wire) -> None:
    upstream.script = Answer(finish=FinishReason.CONTENT_FILTER)

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire)))

    assert [finish.reason for finish in outcome.finish] == [FinishReason.CONTENT_FILTER]


@pytest.mark.parametrize("wire", WIRES)
async def test_reasoning_comes_apart_from_text(lane: ModelClient, upstream: Upstream, wire: Wire) -> None:
    upstream.script = Answer(reasoning=("I think", " so"), texts=("Yes",))

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire)))

    assert (outcome.text, outcome.error) == ("Yes", None)
    assert outcome.reasoning == "I think so"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_history_with_tools_reaches_the_wire(lane: ModelClient, upstream: Upstream, wire: Wire) -> None:
    history = (
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="user", content="Weather?"),
        ChatMessage(
            role="assistant", tool_calls=(ToolCall(id="call_a", name="get_weather", arguments='{"city":"Bern"}'),)
        ),
        ChatMessage(role="tool", content='{"t": 9}', tool_call_id="call_a", name="get_weather"),
        ChatMessage(role="assistant", content="Nine degrees."),
        ChatMessage(role="user", content="And Rome?"),
    )

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire), messages=history))

    assert outcome.error is None
    sent = upstream.calls[0].raw.decode()
    for piece in ("Be brief.", "Weather?", "get_weather", "Bern", "Nine degrees.", "And Rome?"):
        assert piece in sent


@pytest.mark.parametrize("wire", WIRES)
async def test_the_key_and_the_model_reach_the_wire_and_nothing_is_invented(
    lane: ModelClient, upstream: Upstream, wire: Wire
) -> None:
    outcome = await call(lane, request_to(route_to(upstream.base_url, wire), tools=()))

    assert outcome.error is None
    assert [recorded.api_key for recorded in upstream.requests] == [KEY]
    sent = upstream.calls[0]
    assert (sent.model, sent.wants_stream) == ("test-model", True)
    assert "tool_choice" not in sent.json_object
    assert "tools" not in sent.json_object
    assert sent.headers["user-agent"].startswith("voyage-llm-gateway/")
    assert "x-gateway-exchange" not in sent.headers


@pytest.mark.parametrize("wire", WIRES)
async def test_without_a_key_none_is_taken_from_the_environment(
    lane: ModelClient, upstream: Upstream, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OLLAMA_API_KEY"):
        monkeypatch.setenv(name, "sk-of-the-operator")

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire), key=None))

    assert outcome.error is None
    assert "sk-of-the-operator" not in upstream.calls[0].api_key


@pytest.mark.parametrize("prefix", ["openai", "groq", "mistral", "openrouter"])
async def test_other_names_of_the_chat_wire_work_too(lane: ModelClient, upstream: Upstream, prefix: str) -> None:
    upstream.script = Answer(texts=UNICODE, tool_calls=TWO_CALLS, interleaved=True)
    route = route_to(upstream.base_url, Wire.OPENAI_CHAT, prefix=prefix, model="openai/gpt-oss-120b")

    outcome = await call(lane, request_to(route))

    assert outcome.error is None
    assert outcome.text == "".join(UNICODE)
    assert [made.arguments for made in outcome.calls] == [made.arguments for made in TWO_CALLS]
    assert upstream.calls[0].model == "openai/gpt-oss-120b"


@pytest.mark.parametrize("model", ["gpt-5.5-pro", "claude-haiku-4-5", "llama-3.3-70b-versatile", "vendor/new-model"])
async def test_a_familiar_name_changes_nothing_at_an_operators_provider(
    lane: ModelClient, upstream: Upstream, model: str
) -> None:
    outcome = await call(lane, request_to(route_to(upstream.base_url, Wire.OPENAI_CHAT, model=model)))

    assert (outcome.code, outcome.text) == (None, "Hello world")
    assert len(upstream.requests) == 1
    assert upstream.calls[0].model == model


def cells() -> list[tuple[Fault, Wire]]:
    # A tool call that was cut inside its arguments is seen by the run, which knows that they must be JSON; the size of
    # a whole answer is the run's limit too.
    elsewhere = {"cutargs", "endless"}
    return [(fault, wire) for fault in FAULTS for wire in WIRES if wire in fault.wires and fault.name not in elsewhere]


@pytest.mark.parametrize(("fault", "wire"), cells(), ids=str)
async def test_each_fault_has_its_code(lane: ModelClient, upstream: Upstream, fault: Fault, wire: Wire) -> None:
    upstream.script = fault

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire), deadlines=QUICK if fault.hangs else None))

    assert outcome.code == fault.expects(wire)
    assert bool(outcome.finish) == (fault.expects(wire) is None)
    if fault.before_text:
        assert outcome.text.startswith("Hello")
    if outcome.error is not None and fault.retry_after_s is not None:
        assert outcome.error.retry_after_s == fault.retry_after_s
    assert KEY not in repr(outcome.error) + repr(vars(outcome.error) if outcome.error else "")
    assert len(upstream.requests) == 1
    await upstream.until(lambda: all(recorded.closed_at or recorded.answered_at for recorded in upstream.requests), 2)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_refused_connection_is_unreachable(lane: ModelClient, wire: Wire) -> None:
    outcome = await call(lane, request_to(route_to(f"http://127.0.0.1:{refused_port()}", wire)))

    assert outcome.code == "provider_unreachable"
    assert "refused" in outcome.error.message if outcome.error else False


@pytest.mark.parametrize("wire", WIRES)
async def test_a_host_without_address_is_unreachable(lane: ModelClient, wire: Wire) -> None:
    outcome = await call(lane, request_to(route_to("http://no-such-host.invalid", wire)))

    assert outcome.code == "provider_unreachable"
    assert "address" in outcome.error.message if outcome.error else False


@pytest.mark.parametrize("wire", WIRES)
async def test_an_unknown_certificate_is_a_tls_error(lane: ModelClient, wire: Wire) -> None:
    async with tls_upstream() as upstream:
        outcome = await call(lane, request_to(route_to(upstream.base_url, wire)))

        assert outcome.code == "tls_error"
        assert upstream.requests == []


@pytest.mark.parametrize("wire", WIRES)
async def test_a_redirect_is_never_followed(lane: ModelClient, upstream: Upstream, wire: Wire) -> None:
    upstream.script = BY_NAME["redirect"]

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire)))

    assert outcome.code == "invalid_provider_response"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("own_key", [True, False])
async def test_what_the_provider_says_is_shown_to_the_owner_of_the_key_only(
    lane: ModelClient, upstream: Upstream, *, own_key: bool
) -> None:
    upstream.script = BY_NAME["err401badkey"]

    outcome = await call(lane, request_to(route_to(upstream.base_url, Wire.OPENAI_CHAT), own_key=own_key))

    assert outcome.error is not None
    assert bool(outcome.error.origin.upstream_message) is own_key


@pytest.mark.parametrize("header", ["", "x-opencode-session"])
async def test_a_gateway_that_routes_by_conversation_is_told_it(
    lane: ModelClient, upstream: Upstream, header: str
) -> None:
    route = route_to(upstream.base_url, Wire.OPENAI_CHAT)
    route = replace(route, provider=replace(route.provider, session_header=header))

    await call(lane, request_to(route, session_id="conversation-1"))

    assert upstream.calls[0].headers.get("x-opencode-session") == ("conversation-1" if header else None)


async def _compressed_refusal(exchange: Exchange) -> None:
    await exchange.whole_body(429, "application/json", b"\x1f\x8b", {"content-encoding": "gzip", "retry-after": "3"})


@pytest.mark.parametrize("wire", WIRES)
async def test_a_compressed_refusal_keeps_its_status(lane: ModelClient, upstream: Upstream, wire: Wire) -> None:
    upstream.script = Fault("gzip429", _compressed_refusal, "rate_limited")

    outcome = await call(lane, request_to(route_to(upstream.base_url, wire)))

    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.retry_after_s) == ("rate_limited", 3)


async def test_a_signed_call_goes_back_with_its_signature_and_its_result(lane: ModelClient, upstream: Upstream) -> None:
    upstream.script = Answer(texts=(), tool_calls=TWO_CALLS, signature="c2lnbmVkIGJ5IEdlbWluaQ==")
    route = route_to(upstream.base_url, Wire.GEMINI, model="gemini-3.5-flash")
    made = (await call(lane, request_to(route))).calls
    results = [ChatMessage(role="tool", content="{}", tool_call_id=call.id, name=call.name) for call in made]
    history = (
        ChatMessage(role="user", content="Weather?"),
        ChatMessage(role="assistant", tool_calls=tuple(made)),
        *results,
    )

    await call(lane, request_to(route, messages=history))

    _, model, user = upstream.calls[1].json_object["contents"]
    assert [part.get("thoughtSignature") for part in model["parts"]] == ["c2lnbmVkIGJ5IEdlbWluaQ==", None]
    assert [part.get("functionResponse", part.get("function_response"))["name"] for part in user["parts"]] == [
        "get_weather",
        "get_weather",
    ]


async def test_a_request_of_no_call_is_not_sent(litellm_lane: LitellmLane, upstream: Upstream) -> None:
    async with httpx.AsyncClient(transport=litellm_lane.bridge) as client:
        with pytest.raises(litellm_bridge.BridgeError):
            await client.get(upstream.base_url)

    assert upstream.connections == 0
