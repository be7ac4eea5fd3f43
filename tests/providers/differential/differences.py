"""Where the lanes differ, and why: all of it. The test beside it fails for one that is not here, or no longer there."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from app.events import FinishReason
from app.providers.provider import Wire
from tests.providers.differential.request_samples import REQUESTS

TOOL_REQUESTS: Final = tuple(name for name, request in REQUESTS.items() if "tools" in request)
CHAT, RESPONSES, MESSAGES, GEMINI = Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, Wire.ANTHROPIC_MESSAGES, Wire.GEMINI
ZURICH: Final = {"city": "Zürich"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of `samples` in which the lanes differ; None is a field that a lane does not have."""

    wire: Wire
    samples: tuple[str, ...]
    field: str
    """May hold `*`."""
    native: Any
    litellm: Any
    why: str

    def covers(self, sample: str, field: str, native: Any, litellm: Any) -> bool:
        alike = sample in self.samples and fnmatchcase(field, self.field)
        return alike and (native, litellm) == (self.native, self.litellm)


_PARTS: Final = "Mistral's reasoning models send content in parts; litellm reads it so under the prefix `mistral` only."
_REFUSAL: Final = "A refusal is what the person should read; litellm keeps it out of the text."
_LATE: Final = "A call that is told at its end only, without pieces, is no call with arguments to litellm."
_UNSTREAMED: Final = "litellm reads pieces only; some servers send a whole message in their place."
_RAW: Final = "litellm reads summaries of reasoning only, open models send the reasoning itself."
_INTERLEAVED: Final = "litellm numbers pieces by the block that was opened last, so those of parallel blocks get mixed."
_WHOLE: Final = "litellm expects the arguments of a call in pieces, other servers send them with its start."
_BEGUN: Final = "litellm reads thinking in pieces only, and drops what comes with the start of its block."
_OTHERS: Final = "The call of a tool that the provider runs itself is nothing for the caller to run."
_NO_ARGS: Final = "litellm fails on a call without `args`, which Gemini leaves out where there are none."

ANSWERS: Final = (
    Difference(CHAT, ("content in parts",), "text", "Yes", "", _PARTS),
    Difference(CHAT, ("content in parts",), "reasoning", "Hm.", "", _PARTS),
    Difference(CHAT, ("a whole message",), "text", "Hello", "", _UNSTREAMED),
    Difference(CHAT, ("refusal",), "text", "I cannot.", "", _REFUSAL),
    Difference(RESPONSES, ("refusal",), "text", "I cannot.", "", _REFUSAL),
    Difference(RESPONSES, ("arguments told whole",), "calls", [("call_a", "get_weather", ZURICH)],
               [("call_a", "get_weather", "")], _LATE),
    Difference(RESPONSES, ("a call told at its end",), "calls", [("call_a", "get_weather", ZURICH)],
               [("call_a", "get_weather", "")], _LATE),
    Difference(RESPONSES, ("a call told only at its end",), "calls", [("call_a", "get_weather", ZURICH)], [], _LATE),
    Difference(RESPONSES, ("reasoning text",), "reasoning", "I think", "", _RAW),
    Difference(MESSAGES, ("interleaved calls",), "calls",
               [("call_a", "get_weather", ZURICH), ("call_b", "search", {"city": "東京"})],
               [("call_a", "get_weather", ""), ("call_b", "search", '{"cit{"city":"Zürich"}y":"東京"}')],
               _INTERLEAVED),
    Difference(MESSAGES, ("a call that is whole at its start",), "calls", [("call_a", "f", {"x": 1})],
               [("call_a", "f", "")], _WHOLE),
    Difference(MESSAGES, ("thinking at the start of its block",), "reasoning", "I think", "think", _BEGUN),
    Difference(MESSAGES, ("a tool of the provider's own",), "calls", [], [("srv_1", "web", {"q": 1})], _OTHERS),
    Difference(GEMINI, ("a call without arguments",), "text", "A", "", _NO_ARGS),
    Difference(GEMINI, ("a call without arguments",), "calls", [("call_*", "f", {})], [], _NO_ARGS),
    Difference(GEMINI, ("a call without arguments",), "finish", [FinishReason.TOOL_CALLS], [], _NO_ARGS),
    Difference(GEMINI, ("a call without arguments",), "error", None, "invalid_provider_response", _NO_ARGS),
)  # fmt: skip

_STRICT: Final = "OpenAI takes an absent `strict` for true and refuses optional properties then; litellm sends null."
_JOINED: Final = "litellm joins several system messages with a blank, which runs their last and first lines together."
_FIRST: Final = "Anthropic refuses a conversation that begins with the assistant; litellm sends it as it is."
_BLANK: Final = "Anthropic refuses texts of nothing but blanks: we leave them out, litellm puts words of its own there."
_WARM: Final = "litellm sets a temperature of 1 for Gemini 3 unasked; we send none, and the model's own default holds."
_SCHEMA: Final = "`parameters` takes a part of OpenAPI's schemas only, `parametersJsonSchema` every JSON Schema."
_BARE: Final = "A tool without parameters needs no schema on this wire; litellm sends that of an empty object."

ASKED: Final = ("user", "text", "Weather?")
INVENTED: Final = ("assistant", "text", "[System: Empty message content sanitised to satisfy protocol]")
OPENING: Final = ("user", "text", "Please continue.")
HELLO: Final = [("assistant", "text", "Hello."), ("user", "text", "Weather?")]
REQUESTED: Final = (
    Difference(RESPONSES, TOOL_REQUESTS, "tool *: form", "strict: False", "strict: None", _STRICT),
    Difference(RESPONSES, ("two systems",), "system", "Be brief.\n\nBe kind.", "Be brief. Be kind.", _JOINED),
    Difference(MESSAGES, ("assistant first",), "history", [OPENING, *HELLO], HELLO, _FIRST),
    Difference(MESSAGES, ("blank answer",), "history", [ASKED, ASKED], [ASKED, INVENTED, ASKED], _BLANK),
    Difference(GEMINI, tuple(REQUESTS), "generationConfig.temperature", None, 1.0, _WARM),
    Difference(GEMINI, TOOL_REQUESTS, "tool get_weather: form", "parametersJsonSchema", "parameters", _SCHEMA),
    Difference(GEMINI, TOOL_REQUESTS, "tool now: form", None, "parameters", _BARE),
    Difference(GEMINI, TOOL_REQUESTS, "tool now: schema", None, {"type": "object"}, _BARE),
)  # fmt: skip
