"""Which lane a call takes: the wire says it, unless the operator does."""

import pytest

from app.config_file import ProviderTable
from app.providers.provider import Lane
from app.providers.registry import build_registry


@pytest.mark.parametrize(
    ("forced", "own", "wire", "expected"),
    [
        (None, None, "openai_chat", Lane.NATIVE),
        (None, None, "gemini", Lane.NATIVE),
        (None, "litellm", "openai_chat", Lane.LITELLM),
        (None, None, "ollama", Lane.LITELLM),
        ("litellm", "native", "anthropic_messages", Lane.LITELLM),
        ("native", "litellm", "openai_responses", Lane.NATIVE),
        ("native", None, "ollama", Lane.LITELLM),
    ],
)
def test_the_lane_follows_the_wire_unless_somebody_chose(
    forced: str | None, own: str | None, wire: str, expected: Lane
) -> None:
    table = ProviderTable(api_base="http://h", models=["m"], wire=wire, lane=own)
    registry = build_registry({"workshop": table}, lane=forced)

    assert registry.resolve("workshop", None).lane is expected
    assert [lane for lane in Lane if registry.may_take("workshop", lane)] == [expected]


def test_a_provider_that_nobody_can_call_takes_no_lane() -> None:
    registry = build_registry({})

    assert not any(registry.may_take(name, lane) for name in ("github_models", "nobody") for lane in Lane)
    assert registry.may_take(" OpenAI ", Lane.NATIVE)
