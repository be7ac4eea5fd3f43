"""An evening with a provider that does not answer: each cause is named with its remedy, and as a message names it."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.providers.provider import Wire
from tests.doctor.site import KEY, PAGE, Site, fixed, open_site, zen_like
from tests.stories.gateway import Story, gateway
from tests.upstream import Answer, refused_port

TABLES = """
[providers.opencode_zen]
api_base = "{zen}"
default_model = "gpt-5-turbo"

[providers.zen_as_chat]
api_base = "{zen}"
models = ["gpt-5-nano"]
wire = "openai_chat"

[providers.not_started]
api_base = "http://127.0.0.1:{refused}/v1"
models = ["m"]

[providers.misspelt]
api_base = "https://api.nowhere.invalid/v1"
models = ["m"]

[providers.behind_a_firewall]
api_base = "http://127.0.0.1:{full}/v1"
models = ["m"]
timeouts = {{ connect_s = 0.5 }}

[providers.behind_a_proxy]
api_base = "{masked}"
models = ["m"]

[providers.without_its_version]
api_base = "{zen_host}/v2/zen/chat/completions"
models = ["gpt-5-nano"]
wire = "openai_responses"
"""


@dataclass(frozen=True)
class Evening:
    story: Story
    zen: Site
    wrong: str = "sk-wrong-0123456789abcdefghij"

    async def ask(self, provider: str, key: str = KEY, **body: Any) -> tuple[dict[str, Any], str | None]:
        """Give the step that failed, with tokens, and the code that a message ends with."""
        await self.story.store_key(provider, key)
        answer = await self.story.http.post(f"/api/chat/providers/{provider}/diagnose/", json={"spend": True, **body})
        assert answer.status_code == 200, answer.text
        assert key not in answer.text
        report = answer.json()
        sent = await self.story.send(await self.story.conversation(), provider=provider, model=body.get("model"))
        failed = next((step for step in report["steps"] if step["step"] == report["failed_step"]), report)
        return failed, sent.last.get("error_category")


@pytest.fixture
async def evening(sqlite_url: str, tmp_path: Path, full_port: int) -> AsyncGenerator[Evening]:
    async with AsyncExitStack() as stack:
        slow = Answer(texts=tuple(f"{n} " for n in range(1, 21)), delay=0.02)
        zen = await stack.enter_async_context(open_site(zen_like(answer=slow)))
        masked = await stack.enter_async_context(open_site(fixed(502, PAGE)))
        tables = TABLES.format(
            zen=zen.url("/zen/v1"), zen_host=zen.url(""), refused=refused_port(), full=full_port, masked=masked.url()
        )
        story = await stack.enter_async_context(gateway(sqlite_url, tmp_path, tables=tables))
        yield Evening(story, zen)


@pytest.mark.timeout(180)
async def test_each_cause_is_named_as_a_message_names_it(evening: Evening) -> None:
    for provider, step, code, cause, remedy in (
        ("opencode_zen", "model", "model_not_found", "gpt-5-turbo", "list"),
        ("zen_as_chat", "wire", "model_not_found", "and does on openai_responses", 'wire = "openai_responses"'),
        ("not_started", "tcp", "provider_unreachable", "refused", "Start the service"),
        ("misspelt", "dns", "provider_unreachable", "no address", "spelling"),
        ("behind_a_firewall", "tcp", "provider_timeout", "could not be connected to", "firewall"),
        ("behind_a_proxy", "http", "provider_unavailable", "An HTML page (status 502)", "curl"),
        ("without_its_version", "http", "invalid_provider_response", "HTML page (status 404)", "api_base"),
    ):
        failed, sent = await evening.ask(provider)

        assert (failed["step"], failed["code"], sent) == (step, code, code)
        assert cause in failed["cause"]
        assert remedy in failed["remedy"]


async def test_a_wrong_key_is_told_from_a_wrong_model_and_a_right_one_answers(evening: Evening) -> None:
    failed, sent = await evening.ask("opencode_zen", evening.wrong, model="gpt-5-nano")
    assert (failed["step"], failed["code"], sent) == ("auth", "authentication_failed", "authentication_failed")
    assert "Check the OpenCode Zen key" in failed["remedy"]

    report, sent = await evening.ask("opencode_zen", model="gpt-5-nano")
    assert (report["status"], report["wire"], sent) == ("pass", Wire.OPENAI_RESPONSES.value, None)
    assert {asked.route for asked in evening.zen.posted} == {"/zen/v1/responses"}
