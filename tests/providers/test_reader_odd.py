"""Whatever a provider sends as JSON, reading it ends well or with a typed error."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import NOWHERE, GatewayError
from app.providers.native_lane import WIRES
from app.providers.pieces import Pieces
from app.providers.provider import Wire
from app.providers.wires.reader import WireReader
from app.providers.wires.reading import OddPieceError
from app.secret import Secret

WORDS = st.sampled_from(
    [
        *("error", "message", "choices", "delta", "content", "finish_reason", "usage", "x_groq", "prompt_tokens"),
        *("stop", "length", "odd", "type", "response", "status", "output", "incomplete_details", "reason", "code"),
        *("response.completed", "response.incomplete", "response.failed", "message_start", "message_delta"),
        *("message_stop", "stop_reason", "end_turn", "candidates", "finishReason", "STOP", "promptFeedback"),
        *("blockReason", "usageMetadata", "promptTokenCount", "input_tokens", "parts", "text", "details", "\ud83d"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=12,
)


@pytest.mark.parametrize("wire", list(WIRES))
@settings(max_examples=100)
@given(events=st.lists(st.dictionaries(WORDS, JSON, max_size=6) | JSON, max_size=4))
def test_odd_json_is_read_to_an_end_or_a_typed_error(wire: Wire, events: list[Any]) -> None:
    key = Secret("sk-planted-0123456789")
    reader = WireReader(wire, {}, origin=NOWHERE, key=key)
    pieces = Pieces(key, NOWHERE)

    for event in events:
        for _, found in reader.feed(b"data: %b\n\n" % json.dumps(event).encode()):
            with suppress(OddPieceError):
                WIRES[wire](found, pieces)
    reader.end()
    pieces.end()

    assert isinstance(reader.error, GatewayError) == (reader.reading.finish is None)
