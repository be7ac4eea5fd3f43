"""OpenCode's two gateways, Zen and Go: which models they serve on which wire, and how they say that it is another.

Zen's documentation: https://opencode.ai/docs/zen/; Go's: https://opencode.ai/docs/go/. Both read November 2026.
"""

from typing import Final

from app.providers.mismatch import Mismatch
from app.providers.provider import Wire, WireRule

# OpenCode's documentation has the table; families move between releases, so whole ids stand before their prefixes,
# and what the table does not know yet is learned.
ZEN_RULES: Final = (
    WireRule(prefixes=("gpt-oss", "qwen3.6-plus-free", "qwen3.8-max"), wire=Wire.OPENAI_CHAT),
    WireRule(
        prefixes=("qwen3.8-flash", "qwen3.7-max", "qwen3.7-plus", "qwen3.6-plus", "qwen3.5-plus", "claude-"),
        wire=Wire.ANTHROPIC_MESSAGES,
    ),
    WireRule(prefixes=("gpt-", "grok-", "muse-"), wire=Wire.OPENAI_RESPONSES),
    WireRule(prefixes=("gemini-",), wire=Wire.GEMINI),
)

# The same gateway with another table, as its documentation of Go has it.
GO_RULES: Final = (
    WireRule(prefixes=("minimax-", "qwen"), wire=Wire.ANTHROPIC_MESSAGES),
    WireRule(prefixes=("gpt-", "grok-", "muse-"), wire=Wire.OPENAI_RESPONSES),
)

# Its zen handler looks for the model before it looks at the key, so this answer costs nothing and needs no account:
# https://github.com/anomalyco/opencode/blob/dev/packages/console/app/src/routes/zen/util/handler.ts
ZEN_MISMATCH: Final = Mismatch(status=401, name="ModelError", words="is not supported for format")
