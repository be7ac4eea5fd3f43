"""The wires, one file each."""

from collections.abc import Mapping
from typing import Final

from app.providers.provider import Wire
from tests.upstream.frames import Dialect
from tests.upstream.wires.anthropic_messages import AnthropicMessages
from tests.upstream.wires.gemini import Gemini
from tests.upstream.wires.ollama import Ollama
from tests.upstream.wires.openai_chat import OpenaiChat
from tests.upstream.wires.openai_responses import OpenaiResponses

DIALECTS: Final[Mapping[Wire, Dialect]] = {
    dialect.wire: dialect for dialect in (OpenaiChat(), OpenaiResponses(), AnthropicMessages(), Gemini(), Ollama())
}
"""How each wire is spoken."""

__all__ = ["DIALECTS"]
