"""A generated answer as the events of each wire."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from app.providers.provider import Wire
from tests.providers.differential import as_chat, as_gemini, as_messages, as_responses
from tests.providers.differential.speech import Speech
from tests.providers.differential.written import Event

RENDERED: Final[Mapping[Wire, Callable[[Speech, Random], list[Event]]]] = {
    Wire.OPENAI_CHAT: as_chat.events,
    Wire.OPENAI_RESPONSES: as_responses.events,
    Wire.ANTHROPIC_MESSAGES: as_messages.events,
    Wire.GEMINI: as_gemini.events,
}
