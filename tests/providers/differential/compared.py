"""Two lanes side by side: what one call gave in each, in one form, and where it differs."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from tests.providers.calls import Outcome
from tests.providers.differential.speech import joined

_MADE_ID: Final = re.compile(r"^call_[0-9a-f-]{24,36}")
Fields = Mapping[str, Any]
Pair = tuple[Any, Any]


def answer(outcome: Outcome) -> Fields:
    """Give what was answered; arguments as the JSON that they are, ids that a lane makes without what is random."""
    return {
        "text": joined(outcome.text),
        "reasoning": joined(outcome.reasoning),
        "calls": [
            (_MADE_ID.sub("call_*", call.id), call.name, parsed(joined(call.arguments))) for call in outcome.calls
        ],
        "usage": outcome.usage,
        "finish": [finish.reason for finish in outcome.finish],
        "error": outcome.code,
    }


def parsed(text: str) -> Any:
    """Give the JSON of `text`, or `text` where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def differences(native: Fields, litellm: Fields) -> dict[str, Pair]:
    """Give (native, litellm) for each field that is not the same in both; None where one has none."""
    names = sorted({*native, *litellm})
    pairs = {name: (native.get(name), litellm.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
