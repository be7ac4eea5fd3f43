"""A default model that Zen does not have: told by Zen at first, then by the gateway, each time with a way out."""

from pathlib import Path

from tests.stories.gateway import gateway
from tests.upstream import BY_NAME

TABLES = """
[providers.opencode_zen]
api_base = "{upstream}/zen/v1"
"""


async def test_an_unknown_default_model_is_found_with_what_to_take_instead(sqlite_url: str, tmp_path: Path) -> None:
    async with gateway(sqlite_url, tmp_path, tables=TABLES) as story:
        story.upstream.models = ("gpt-6-sol", "gpt-5-nano", "claude-haiku-4-5")
        story.upstream.script = BY_NAME["err401zmodel"]
        await story.store_key("opencode_zen")
        conversation = await story.conversation()

        first = await story.send(conversation, provider="opencode_zen", model=None)
        calls = len(story.upstream.calls)
        second = await story.send(conversation, provider="opencode_zen", model=None)

        assert first.response.status_code == 200
        assert first.last["error_category"] == "model_not_found"
        assert first.last["error_detail"]["upstream_code"] == "ModelError"
        assert first.last["error_detail"]["did_you_mean"] == ["gpt-6-sol", "gpt-5-nano"]
        assert "Try gpt-6-sol or gpt-5-nano, or choose another one from the list." in first.last["error"]
        assert second.response.status_code == 404
        assert (calls, len(story.upstream.calls)) == (1, 1), "the second is told without a call"
        assert len(story.upstream.requests) == 2, "and the list was asked for once"


async def test_a_list_that_hangs_holds_the_bad_news_up_for_a_moment_only(sqlite_url: str, tmp_path: Path) -> None:
    async with gateway(sqlite_url, tmp_path, tables=TABLES) as story:
        story.upstream.models_fault = BY_NAME["nohead"]
        story.upstream.script = BY_NAME["err401zmodel"]
        await story.store_key("opencode_zen")

        told = await story.send(await story.conversation(), provider="opencode_zen", model="nope")

        assert told.last["error_category"] == "model_not_found"
        assert told.last["error_detail"]["did_you_mean"] == []
        assert told.last["latency_ms"] < 10_000
