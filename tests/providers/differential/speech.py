"""What one generated answer says, independent of any wire: the reference that a reading is compared with."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

from app.events import FinishReason, Usage

Said = tuple[str, str]
"""(what is said, a piece of it): `text`, `reasoning`, or `call 0` and so on, in the order of their beginnings."""

TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
IDS: Final = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
NAMES: Final = st.from_regex(r"[a-z_]{1,10}", fullmatch=True)
NUMBERS: Final = st.integers(-(2**53), 2**53)
"""What JSON can carry exactly, and Gemini's arguments at all: they are doubles."""
ARGUMENTS: Final = st.dictionaries(TEXT, TEXT | NUMBERS | st.none() | st.lists(TEXT, max_size=2), max_size=3)
COUNTS: Final = st.integers(0, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One tool call."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """One answer; `pieces` is all it says, in order."""

    pieces: tuple[Said, ...]
    calls: tuple[Called, ...]
    usage: Usage | None
    finish: FinishReason
    plain: bool = False
    """Whether it is said in the forms that every reader of a wire understands."""


def merge(said: Iterable[Said]) -> list[Said]:
    """Join neighbours of one kind; a call is there from its first piece on, even an empty one."""
    merged: list[Said] = []
    begun: set[str] = set()
    for kind, text in said:
        if not text and (kind in begun or not kind.startswith("call")):
            continue
        begun.add(kind)
        if merged and merged[-1][0] == kind:
            merged[-1] = (kind, merged[-1][1] + text)
        else:
            merged.append((kind, text))
    return merged


def joined(text: str) -> str:
    """Put together the halves of surrogate pairs that came apart."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def cut(text: str, random: Random, *, inside_characters: bool) -> list[str]:
    """Cut `text` anywhere, maybe between the halves of a surrogate pair as well."""
    if not inside_characters:
        edges = sorted({0, len(text), *(random.randint(0, len(text)) for _ in range(random.randint(0, 3)))})
        return [text[a:b] for a, b in pairwise(edges)]
    units = text.encode("utf-16-le")
    edges = sorted({0, len(units), *(2 * random.randint(0, len(units) // 2) for _ in range(random.randint(0, 5)))})
    return [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(edges)]


def mix(tracks: Sequence[Sequence[Said]], random: Random) -> list[Said]:
    """Lay the tracks over one another; each keeps its own order."""
    turns = [number for number, track in enumerate(tracks) for _ in track]
    random.shuffle(turns)
    rests = [iter(track) for track in tracks]
    return [next(rests[turn]) for turn in turns]


def renumbered(pieces: Iterable[Said], calls: Sequence[Called]) -> tuple[tuple[Said, ...], tuple[Called, ...]]:
    """Number the calls by their beginnings."""
    order: dict[str, int] = {}
    told = [(f"call {order.setdefault(kind, len(order))}" if "call" in kind else kind, text) for kind, text in pieces]
    return tuple(told), tuple(calls[int(kind.removeprefix("call "))] for kind in order)


@st.composite
def speeches(draw: st.DrawFn, *, whole_calls: bool = False, plain: bool = False) -> Speech:
    """Give answers: with `whole_calls` a call is one piece; with `plain` calls follow all text, one after the other."""
    random = draw(st.randoms(use_true_random=True))
    halves = not plain and random.random() < 0.3
    kinds = st.sampled_from(["text", "text", "reasoning"])
    spoken = draw(st.lists(st.tuples(kinds, TEXT), max_size=6))
    if plain:
        spoken.sort()  # reasoning comes before text
    words = [(kind, piece) for kind, text in spoken for piece in cut(text, random, inside_characters=halves)]
    made = [
        Called(id=f"{id_}{place}", name=draw(NAMES), arguments=draw(ARGUMENTS))
        for place, id_ in enumerate(draw(st.lists(IDS, max_size=3)))
    ]
    tracks: list[list[Said]] = []
    for place, call in enumerate(made):
        text = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
        pieces = [text] if whole_calls else cut(text, random, inside_characters=halves)
        tracks.append([(f"call {place}", piece) for piece in pieces])
    laid = words + [piece for track in tracks for piece in track] if plain else mix([words, *tracks], random)
    pieces, calls = renumbered(laid, made)
    return Speech(
        pieces=pieces, calls=calls, usage=draw(usages()), finish=draw(_finishes(called=bool(calls))), plain=plain
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage | None:
    """Give counts of tokens; those from a cache are a part of the input, those of reasoning one of the output."""
    counts = draw(st.none() | st.tuples(COUNTS, COUNTS, COUNTS, COUNTS))
    if counts is None:
        return None
    fresh, cached, shown, thought = counts
    return Usage(input=fresh + cached, output=shown + thought, cached=cached, reasoning=thought)


def _finishes(*, called: bool) -> st.SearchStrategy[FinishReason]:
    if called:
        return st.sampled_from([FinishReason.TOOL_CALLS, FinishReason.TOOL_CALLS, FinishReason.LENGTH])
    return st.sampled_from([FinishReason.STOP, FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER])
