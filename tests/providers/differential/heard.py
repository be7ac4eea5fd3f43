"""What the product's own reading makes of the bytes of an answer."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.errors import NOWHERE, GatewayError
from app.events import FinishReason, Usage
from app.providers.model import Delta, ReasoningTextDelta, TextDelta, ToolCallPiece
from app.providers.native_lane import WIRES
from app.providers.pieces import Pieces
from app.providers.provider import Wire
from app.providers.wires.reader import WireReader
from tests.providers.differential.speech import Said, merge


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer as it was understood."""

    said: list[Said]
    calls: list[tuple[str | None, str | None]]
    """Id and name of each call, as its pieces gave them; None where none did."""
    usage: Usage | None
    finish: FinishReason | None
    error: GatewayError | None


def hear(wire: Wire, chunks: Iterable[bytes]) -> Heard:
    """Read `chunks` to their end, or to the end of the answer, as the native lane does."""
    reader, pieces = WireReader(wire, {}, origin=NOWHERE, key=None), Pieces(None, NOWHERE)
    for chunk in chunks:
        for _, event in reader.feed(chunk):
            WIRES[wire](event, pieces)
        pieces.flush()
        if reader.reading.over or reader.error is not None:
            break
    else:
        for _, event in reader.end():
            WIRES[wire](event, pieces)
    pieces.end()
    deltas = list(pieces.ready)
    return Heard(merge(map(_said, deltas)), _calls(deltas), reader.reading.usage, reader.reading.finish, reader.error)


def _said(delta: Delta) -> Said:
    match delta:
        case TextDelta(text):
            return "text", text
        case ReasoningTextDelta(text):
            return "reasoning", text
        case ToolCallPiece(index, _, _, arguments):
            return f"call {index}", arguments
        case _:
            raise AssertionError(delta)


def _calls(deltas: Iterable[Delta]) -> list[tuple[str | None, str | None]]:
    """Give the names; a piece that names a call again would be a second call."""
    made: dict[int, tuple[str | None, str | None]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallPiece):
            named = delta.id is not None or delta.name is not None
            assert not (named and delta.index in made)
            made.setdefault(delta.index, (delta.id, delta.name))
    return [made[index] for index in sorted(made)]
