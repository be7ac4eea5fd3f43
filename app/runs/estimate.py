"""Tokens where nobody has counted them: a rough figure, always marked as such."""

from collections.abc import Iterable
from math import ceil
from typing import Final

import orjson

from app.events import Usage
from app.providers.model import ChatMessage, ModelRequest, ToolSpec

ASCII_PER_TOKEN: Final = 4.0
"""What the tokenizers of large models make of English; other scripts take about a token for each character."""
_MESSAGE_TOKENS: Final = 4
"""What the frame of one message takes."""


def tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    # The number of ASCII characters without looking at each: the others take more than one byte.
    others = 0 if text.isascii() else sum(not character.isascii() for character in text)
    return ceil((len(text) - others) / ASCII_PER_TOKEN + others)


def message_tokens(message: ChatMessage) -> int:
    """Estimate the tokens of one message with its tool calls."""
    calls = sum(tokens(call.name) + tokens(call.arguments) for call in message.tool_calls)
    return _MESSAGE_TOKENS + tokens(message.content) + calls


def tool_tokens(tool: ToolSpec) -> int:
    """Estimate the tokens of one tool that is offered."""
    return tokens(tool.name) + tokens(tool.description) + tokens(orjson.dumps(tool.parameters).decode())


def estimate_usage(request: ModelRequest | None, said: Iterable[str]) -> Usage | None:
    """Estimate what a call has used by now; None where none was made."""
    if request is None:
        return None
    sent = sum(map(message_tokens, request.messages)) + sum(map(tool_tokens, request.tools))
    return Usage(input=sent, output=sum(map(tokens, said)), estimated=True)
