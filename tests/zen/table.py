"""Which models the two gateways serve on which wire, as their documentation had it in November 2026."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.providers.provider import Wire

FORMATS: Final[Mapping[Wire, str]] = MappingProxyType(
    {
        Wire.OPENAI_CHAT: "oa-compat",
        Wire.OPENAI_RESPONSES: "openai",
        Wire.ANTHROPIC_MESSAGES: "anthropic",
        Wire.GEMINI: "google",
    }
)
"""What Zen itself calls the four."""

PATHS: Final[Mapping[Wire, str]] = MappingProxyType(
    {
        Wire.OPENAI_CHAT: "/chat/completions",
        Wire.OPENAI_RESPONSES: "/responses",
        Wire.ANTHROPIC_MESSAGES: "/messages",
        Wire.GEMINI: "/models/{model}:streamGenerateContent?alt=sse",
    }
)

KEY_HEADERS: Final[Mapping[Wire, str]] = MappingProxyType(
    {
        Wire.OPENAI_CHAT: "authorization",
        Wire.OPENAI_RESPONSES: "authorization",
        Wire.ANTHROPIC_MESSAGES: "x-api-key",
        Wire.GEMINI: "x-goog-api-key",
    }
)
"""The only header that the handler of each format reads a key from."""


def _models(wire: Wire, names: str) -> dict[str, Wire]:
    return dict.fromkeys(names.split(), wire)


ZEN: Final[Mapping[str, Wire]] = MappingProxyType(
    _models(
        Wire.OPENAI_RESPONSES,
        "gpt-6-astra gpt-6-sol gpt-6-luna gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-5.5 gpt-5.5-pro gpt-5.4 "
        "gpt-5.4-pro gpt-5.4-mini gpt-5.4-nano gpt-5.3-codex gpt-5.3-codex-spark gpt-5.2 gpt-5.2-codex gpt-5.1 "
        "gpt-5.1-codex gpt-5.1-codex-mini gpt-5 gpt-5-codex gpt-5-nano grok-4.7 grok-4.6 grok-4.5 "
        "grok-build-0.1 muse-spark-1.3 muse-spark-1.2 muse-spark-1.3-contributor-free muse-spark-1.2-contributor-free",
    )
    | _models(
        Wire.ANTHROPIC_MESSAGES,
        "claude-fable-5-1 claude-opus-5-5 claude-haiku-4-5 qwen3.8-flash qwen3.7-max qwen3.7-plus qwen3.6-plus "
        "qwen3.5-plus",
    )
    | _models(
        Wire.GEMINI,
        "gemini-3.8-flash gemini-3.7-flash gemini-3.6-flash gemini-3.5-flash gemini-3.5-flash-lite gemini-3.1-pro "
        "gemini-3-flash",
    )
    | _models(
        Wire.OPENAI_CHAT,
        "deepseek-v4.1-flash deepseek-v4-pro deepseek-v4-flash minimax-m3 minimax-m2.7 minimax-m2.5 glm-5.3 "
        "glm-5.3-flash glm-5.2 glm-5.1 glm-5 kimi-k3 kimi-k2.7-code kimi-k2.6 kimi-k2.5 "
        "qwen3.8-max qwen3.6-plus-free big-pickle",
    )
)

GO: Final[Mapping[str, Wire]] = MappingProxyType(
    _models(Wire.OPENAI_CHAT, "glm-5.3 glm-5 kimi-k2.5 deepseek-v4-flash")
    | _models(Wire.ANTHROPIC_MESSAGES, "minimax-m2.5 minimax-m2.7 qwen3.7-plus")
    | _models(Wire.OPENAI_RESPONSES, "grok-4.7")
)
