"""A provider that fails: how often it is asked, who is asked instead, and what is told and kept of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.providers.provider import Lane, Wire
from app.runs.retry_budget import RESERVE, SHARE
from tests.stories.gateway import Story, Stream, gateway
from tests.tools.scripted import Scripted, ToolPlay
from tests.upstream import BY_NAME, Answer, Call, Upstream

SETTINGS = "/api/integrations/ai-settings/"
SPARE = """
[providers.spare]
label = "Spare"
wire = "{wire}"
api_base = "{spare}"
models = ["spare-model"]
needs_api_key = {needs}
"""


def spare_table(spare: Upstream, *, wire: Wire = Wire.ANTHROPIC_MESSAGES, needs: str = "true") -> str:
    return SPARE.replace("{spare}", spare.base_url).replace("{wire}", wire.value).replace("{needs}", needs)


async def prefer(story: Story, *fallbacks: tuple[str, str | None]) -> None:
    body = {"fallbacks": [{"provider": provider, "model": model} for provider, model in fallbacks]}
    saved = await story.http.post(SETTINGS, json=body)
    assert (saved.status_code, saved.json()["fallbacks"]) == (200, body["fallbacks"])


async def receipt(story: Story, stream: Stream) -> dict[str, Any]:
    found = await story.http.get(f"/api/chat/runs/{stream.last['run_id']}/")
    assert found.status_code == 200, found.text
    run: dict[str, Any] = found.json()
    return run


def retrying(stream: Stream) -> list[dict[str, Any]]:
    return [event for event in stream.events if event["type"] == "run.retrying"]


@pytest.mark.parametrize("circuit_failures", [pytest.param("0", marks=pytest.mark.prove), "10"])
async def test_a_storm_is_not_fed(sqlite_url: str, tmp_path: Path, circuit_failures: str) -> None:
    messages = 200
    async with gateway(
        sqlite_url,
        tmp_path,
        GATEWAY_LANE="native",
        GATEWAY_MAX_ATTEMPTS="3",
        GATEWAY_CIRCUIT_FAILURES=circuit_failures,
    ) as story:
        await story.store_key("openai_chat")
        story.upstream.script = BY_NAME["err502"]
        conversations = [await story.conversation() for _ in range(10)]

        async def talk(conversation: str) -> list[Stream]:
            return [await story.send(conversation, provider="openai_chat") for _ in range(messages // 10)]

        streams = [stream for talked in await asyncio.gather(*map(talk, conversations)) for stream in talked]
        calls = len(story.upstream.calls)
        listed = (await story.http.get("/api/chat/providers/")).json()

    assert {stream.last["error_category"] for stream in streams} == {"provider_unavailable"}
    resting = next(row.get("resting") for row in listed if row["id"] == "openai_chat")
    if circuit_failures == "0":
        assert messages < calls <= messages * (1 + SHARE) + RESERVE
        assert resting is None
    else:
        # Those that were on their way when it opened, a probe now and then, and nobody else.
        assert calls < 60
        assert [row["wire"] for row in resting] == ["openai_chat"]
        assert resting[0]["failures"] >= 10
        last = max(streams, key=lambda stream: stream.last["error_detail"]["retry_after_s"] or 0).last
        assert "times in a row" in last["error"]
        assert last["error_detail"]["retry_after_s"] > 0


async def test_bad_keys_rest_nobody(sqlite_url: str, tmp_path: Path) -> None:
    async with gateway(sqlite_url, tmp_path, GATEWAY_LANE="native", GATEWAY_CIRCUIT_FAILURES="2") as story:
        await story.store_key("openai_chat")
        conversation = await story.conversation()
        story.upstream.script = BY_NAME["err401"]
        codes = {(await story.send(conversation, provider="openai_chat")).last["error_category"] for _ in range(5)}
        story.upstream.script = Answer(texts=("Fine.",))
        after = await story.send(conversation, provider="openai_chat")

    assert (codes, after.text) == ({"authentication_failed"}, "Fine.")


async def test_the_next_of_the_list_answers(sqlite_url: str, tmp_path: Path, lane: Lane) -> None:
    async with (
        Upstream(Answer(texts=("From ", "elsewhere."))) as spare,
        gateway(
            sqlite_url, tmp_path, tables=spare_table(spare), GATEWAY_LANE=lane.value, GATEWAY_MAX_ATTEMPTS="2"
        ) as story,
    ):
        await story.store_key("openai_chat")
        await story.store_key("spare", "key-of-the-spare-one-0001")
        await prefer(story, ("openai_chat", "test-model"), ("groq", None), ("spare", "spare-model"))
        conversation = await story.conversation()
        story.upstream.script = BY_NAME["err502"]

        stream = await story.send(conversation, provider="openai_chat")
        run = await receipt(story, stream)
        stored = (await story.messages(conversation))[-1]
        sent = spare.calls[-1].api_key

    again, moved = retrying(stream)
    assert ("provider" in again, again["reason"]) == (False, "provider_unavailable")
    assert (moved["attempt"], moved["reason"], moved["provider"], moved["model"]) == (
        3,
        "provider_unavailable",
        "spare",
        "spare-model",
    )
    assert stream.shown.bubble == stream.text == "From elsewhere."
    assert stream.events[0]["provider"] == "openai_chat"
    for told in (stream.last, stored, run):
        assert (told["status"], told["provider"], told["model"]) == ("completed", "spare", "spare-model")
    assert sent == "key-of-the-spare-one-0001"
    assert [(one["attempt"], one["provider"], one["wire"], one["lane"]) for one in run["attempts"]] == [
        (1, "openai_chat", "openai_chat", lane.value),
        (2, "openai_chat", "openai_chat", lane.value),
        (3, "spare", "anthropic_messages", lane.value),
    ]
    assert [(one["error"], one["upstream_status"]) for one in run["attempts"]] == [
        ("provider_unavailable", 502),
        ("provider_unavailable", 502),
        (None, None),
    ]
    first, second, third = run["attempts"]
    assert first["paused_ms"] == round(again["delay_s"] * 1000)
    assert (first["ttft_ms"], second["ttft_ms"]) == (None, None)
    assert 0 <= third["ttft_ms"] <= third["ended_ms"]
    assert 0 <= third["waited_ms"] <= third["ended_ms"]
    assert 0 <= run["overhead_ms"] <= run["latency_ms"] - first["paused_ms"]
    assert run["route"] == {
        "provider": "spare",
        "model": "spare-model",
        "lane": lane.value,
        "wire": "anthropic_messages",
        "origin": None,
        "adaptations": third["adaptations"],
    }
    assert {"change": "added", "name": "max_tokens", "value": 32_000} in third["adaptations"]
    assert {"change": "renamed", "name": "messages[system]", "to": "system"} in third["adaptations"]
    assert (lane is Lane.LITELLM) == any(one["change"] == "translated" for one in third["adaptations"])


@pytest.mark.parametrize("fault", ["err401", "err403", "err404", "err400", "err422"])
async def test_a_mistake_of_the_callers_stays_where_it_was_made(sqlite_url: str, tmp_path: Path, fault: str) -> None:
    async with (
        Upstream() as spare,
        gateway(sqlite_url, tmp_path, tables=spare_table(spare, needs="false"), GATEWAY_LANE="native") as story,
    ):
        await story.store_key("openai_chat")
        await prefer(story, ("spare", None))
        story.upstream.script = BY_NAME[fault]

        stream = await story.send(await story.conversation(), provider="openai_chat")

    assert (stream.last["status"], stream.last["provider"], retrying(stream)) == ("failed", "openai_chat", [])
    assert spare.calls == []


async def test_nothing_is_moved_once_text_was_shown_or_without_a_list(sqlite_url: str, tmp_path: Path) -> None:
    async with (
        Upstream() as spare,
        gateway(sqlite_url, tmp_path, tables=spare_table(spare, needs="false"), GATEWAY_LANE="native") as story,
    ):
        await story.store_key("openai_chat")
        conversation = await story.conversation()
        story.upstream.script = BY_NAME["err502"]
        without = await story.send(conversation, provider="openai_chat")
        await prefer(story, ("spare", "spare-model"))
        story.upstream.script = BY_NAME["dropmid"]
        cut = await story.send(conversation, provider="openai_chat")

    assert [stream.last["error_category"] for stream in (without, cut)] == [
        "provider_unavailable",
        "stream_interrupted",
    ]
    assert spare.calls == []


async def test_the_operators_key_is_not_fallen_back_to(sqlite_url: str, tmp_path: Path) -> None:
    async with (
        Upstream(Answer(texts=("Paid for.",))) as spare,
        gateway(
            sqlite_url,
            tmp_path,
            tables=spare_table(spare),
            GATEWAY_LANE="native",
            VOYAGE_AI_PROVIDER="spare",
            VOYAGE_AI_API_KEY="key-of-the-operator-0001",
        ) as story,
    ):
        await story.store_key("openai_chat")
        await prefer(story, ("spare", "spare-model"))
        conversation = await story.conversation()
        story.upstream.script = BY_NAME["err502"]
        refused = await story.send(conversation, provider="openai_chat")
        spare.scripts = [BY_NAME["err502"], Answer(texts=("Small.",))]
        moved = await story.send(conversation, provider="spare", model="bigger-model")

    assert (refused.last["error_category"], refused.last["provider"]) == ("provider_unavailable", "openai_chat")
    assert (moved.text, moved.last["model"]) == ("Small.", "spare-model"), "a message there was on that key anyway"


async def test_the_end_of_the_list_is_the_end(sqlite_url: str, tmp_path: Path) -> None:
    async with (
        Upstream(BY_NAME["err429ra"]) as spare,
        gateway(sqlite_url, tmp_path, tables=spare_table(spare, needs="false"), GATEWAY_LANE="native") as story,
    ):
        await story.store_key("openai_chat")
        await prefer(story, ("spare", "spare-model"), ("spare", "spare-model"))
        story.upstream.script = BY_NAME["err502"]
        stream = await story.send(await story.conversation(), provider="openai_chat")
        calls = len(spare.calls)

    assert (stream.last["error_category"], stream.last["provider"], calls) == ("rate_limited", "spare", 1)
    assert stream.shown.bubble == stream.last["error"]


async def test_the_steps_after_a_fallback_ask_it_and_not_the_one_that_failed(sqlite_url: str, tmp_path: Path) -> None:
    source = Scripted({"look": ToolPlay(result={"n": 1})})
    async with (
        Upstream() as spare,
        gateway(
            sqlite_url,
            tmp_path,
            tables=spare_table(spare, needs="false"),
            tools=(source,),
            GATEWAY_LANE="native",
        ) as story,
    ):
        await story.store_key("openai_chat")
        await prefer(story, ("spare", None))
        story.upstream.script = BY_NAME["err502"]
        spare.scripts = [Answer(tool_calls=(Call("a", "look"),)), Answer(texts=("One.",))]
        conversation = await story.conversation()
        stream = await story.send(conversation, provider="openai_chat")

    assert (stream.last["type"], stream.last["provider"]) == ("run.completed", "spare")
    assert (len(story.upstream.calls), len(spare.calls)) == (1, 2)
    assert len(retrying(stream)) == 1
