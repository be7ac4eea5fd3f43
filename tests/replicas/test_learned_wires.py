"""What one process has learned about a wire is known to the next one, even after it was killed."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.providers.provider import Wire
from tests.replicas.environment import TOKENS, environment
from tests.replicas.process import LITELLM, Replica
from tests.zen import KEY, Zen

READY_S = 60.0


async def ready(http: httpx.AsyncClient) -> None:
    """Wait for litellm, whose import is no part of what is tested."""
    async with asyncio.timeout(READY_S):
        while (await http.get("/health/ready")).status_code != 200:  # noqa: ASYNC110 - asked as an operator does
            await asyncio.sleep(0.05)


async def say(http: httpx.AsyncClient, model: str) -> dict[str, Any]:
    """Send one message in a new conversation, read the answer to its end, and give its run."""
    conversation = (await http.post("/api/chat/conversations/", json={})).json()["id"]
    body = {"message": "Where to?", "provider": "opencode_zen", "model": model}
    sent = await http.post(f"/api/chat/conversations/{conversation}/send_message/", json=body)
    assert sent.content.endswith(b"data: [DONE]\n\n")
    found = await http.get(f"/api/chat/runs/{sent.headers['x-run-id']}/")
    run: dict[str, Any] = found.json()
    return run


@pytest.mark.prove
@pytest.mark.timeout(180)
async def test_a_process_knows_what_a_killed_one_has_learned(postgres_url: str, tmp_path: Path) -> None:
    async with Zen() as zen:
        zen.move("kimi-k3", Wire.ANTHROPIC_MESSAGES)
        config = tmp_path / "zen.toml"
        config.write_text(f'[providers.opencode_zen]\napi_base = "{zen.base_url}"\n', encoding="utf-8")
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        environ = environment(postgres_url, zen.base_url, tmp_path, GATEWAY_CONFIG_FILE=str(config))
        async with Replica(environ, log=folders[0] / "log", command=LITELLM) as one:
            async with one.client(TOKENS["alice"]) as http:
                await ready(http)
                stored = {"provider": "opencode_zen", "api_key": KEY}
                assert (await http.post("/api/integrations/api-keys/", json=stored)).status_code == 201
                runs = [await say(http, "kimi-k3")]
            await one.kill()
        async with (
            Replica(environ, log=folders[1] / "log", command=LITELLM) as two,
            two.client(TOKENS["alice"]) as http,
        ):
            await ready(http)
            runs.append(await say(http, "kimi-k3"))

    assert [run["status"] for run in runs] == ["completed"] * 2
    assert [run["attempts"][0]["wire"] for run in runs] == ["anthropic_messages"] * 2
    assert zen.asked == [Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES, Wire.ANTHROPIC_MESSAGES]
