"""Every kind of stream that a model can make, invented."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hypothesis import strategies as st

from app.errors import Origin, ProviderOverloaded, StreamInterrupted
from app.events import FinishReason
from app.providers.model import Delta, Finish, ReasoningTextDelta, TextDelta, ToolCallPiece
from tests.runs.scripted import Pause, Step

_LOCAL: Final = Origin(provider="local", label="Local")


class End(StrEnum):
    """How a stream ends, by the name of its last event."""

    COMPLETED = "run.completed"
    INCOMPLETE = "run.incomplete"
    FAILED = "run.failed"
    CANCELLED = "run.cancelled"


@dataclass(frozen=True)
class Invented:
    """Groups of deltas; a group is shown before the next one comes, and those of one group may become one event."""

    groups: tuple[tuple[Delta, ...], ...]
    retries: int
    end: End
    live: int
    """Behind which group the resumes begin that read on while the run goes on."""

    def scripts(self) -> tuple[list[list[Step]], list[Pause]]:
        """Give what the model plays for each call, and where it waits behind each group."""
        pauses = [Pause() for _ in self.groups]
        overloaded: list[list[Step]] = [[ProviderOverloaded(origin=_LOCAL, retry_after_s=0.0)]] * self.retries
        played: list[Step] = [
            step for group, pause in zip(self.groups, pauses, strict=True) for step in (*group, pause)
        ]
        return [*overloaded, [*played, *_ENDS[self.end]]], pauses


_ENDS: Final[dict[End, tuple[Step, ...]]] = {
    End.COMPLETED: (Finish(FinishReason.STOP),),
    End.INCOMPLETE: (Finish(FinishReason.LENGTH),),
    End.FAILED: (StreamInterrupted(origin=_LOCAL),),
    End.CANCELLED: (Finish(FinishReason.STOP),),
}
_ODD: Final = (
    "\n\n",
    "\r\n",
    "data: [DONE]\n\n",
    "\u2028",
    "\x00",
    "👩‍👩‍👧",
    "é",
    "\ud83d",
    "\ude00",
    ": ping\n\n",
    '"\\',
    "id: x:1",
)
_texts: Final = st.one_of(st.text(min_size=1, max_size=20), st.sampled_from(_ODD))
_pieces: Final = st.builds(
    ToolCallPiece,
    st.integers(0, 2),
    st.one_of(st.none(), st.just("call_1")),
    st.one_of(st.none(), st.just("get_weather")),
    _texts,
)
_deltas: Final = st.one_of(st.builds(TextDelta, _texts), st.builds(ReasoningTextDelta, _texts), _pieces)
_groups: Final = st.lists(st.lists(_deltas, min_size=1, max_size=4).map(tuple), min_size=1, max_size=6).map(tuple)

streams: Final = st.builds(
    Invented, groups=_groups, retries=st.integers(0, 2), end=st.sampled_from(End), live=st.integers(0, 5)
)


def everything(end: End, live: int) -> Invented:
    """Give one of each, for the few that are always looked at."""
    groups: tuple[tuple[Delta, ...], ...] = (
        (ReasoningTextDelta("Hm\n\n"), ReasoningTextDelta("…")),
        (TextDelta("Lis"), TextDelta("boa 👩‍👩‍👧\r\n")),
        (ToolCallPiece(0, "call_1", "get_weather", '{"a'), ToolCallPiece(0, None, None, '":1}')),
        (ToolCallPiece(1, "call_2", "get_trip", "{}"), TextDelta("data: [DONE]\n\n")),
        (TextDelta("\ud83d"), TextDelta("\ude00"), TextDelta("\u2028 end")),
    )
    return Invented(groups, 2, end, live)
