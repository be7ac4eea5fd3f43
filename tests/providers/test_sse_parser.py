"""The SSE parser gives the same events however the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.providers.sse_parser import LineParser, OversizeError, SseEvent, SseParser

TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
TYPE = st.text(st.characters(min_codepoint=97, max_codepoint=122), max_size=6)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(
    events=st.lists(st.tuples(TYPE, st.lists(TEXT, min_size=1, max_size=3)), max_size=5),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    space=st.booleans(),
    comment=st.booleans(),
    bom=st.booleans(),
    places=st.lists(st.integers(min_value=0), max_size=30),
)
def test_events_survive_any_cut(
    *,
    events: list[tuple[str, list[str]]],
    newline: str,
    space: bool,
    comment: bool,
    bom: bool,
    places: list[int],
) -> None:
    text = "\ufeff" if bom else ""
    for kind, lines in events:
        if comment:
            text += f": ping{newline}{newline}"
        if kind:
            text += f"event: {kind}{newline}"
        # A value that begins with a space needs the separator's space to keep it.
        text += "".join(f"data:{' ' if space or line.startswith(' ') else ''}{line}{newline}" for line in lines)
        text += newline
    # The last CR waits for a possible LF, so a comment line follows it.
    parser = SseParser(limit=10_000)

    found = [event for piece in cut(text.encode() + b":\n", places) for event in parser.feed(piece)]

    assert found == [SseEvent(kind, "\n".join(lines)) for kind, lines in events]


LINES = st.sampled_from(
    [b"data: a", b"data:b", b"data", b"data: ", b"event: e", b"event:", b": c", b"id: 1", b"\xff", b"\xef\xbb\xbf", b""]
)
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\n\n", b""])


@settings(max_examples=300)
@example(chunks=[[(b":", b"\n")], [(b"data: a", b"\r"), (b"data: b", b"\n\n")]])
@given(chunks=st.lists(st.lists(st.tuples(LINES, ENDS), min_size=1, max_size=6), max_size=6))
def test_any_bytes_mean_the_same_in_whole_events_and_byte_by_byte(chunks: list[list[tuple[bytes, bytes]]]) -> None:
    """Byte by byte no shortcut for whole events is ever taken."""
    pieces = [b"".join(line + end for line, end in chunk) for chunk in chunks]
    slow, quick = SseParser(limit=10_000), SseParser(limit=10_000)

    expected = [event for piece in pieces for byte in piece for event in slow.feed(bytes([byte]))]
    found = [event for piece in pieces for event in quick.feed(piece)]

    assert found == expected


def test_an_event_is_given_with_the_cr_that_ends_it() -> None:
    parser = SseParser(limit=100)

    assert parser.feed(b"data: a\r\r") == [SseEvent("", "a")]
    assert parser.feed(b"data: b\r\n\r") == [SseEvent("", "b")]
    assert parser.feed(b"\ndata: c\r") == []
    assert parser.feed(b"\n\n") == [SseEvent("", "c")]


def test_an_unfinished_event_is_not_given() -> None:
    assert SseParser(limit=100).feed(b"data: half\n") == []


def test_unicode_is_read_when_cut_inside_a_character() -> None:
    parser = SseParser(limit=100)

    found = [event for byte in "data: 🧭 Zürich\n\n".encode() for event in parser.feed(bytes([byte]))]

    assert found == [SseEvent("", "🧭 Zürich")]


@pytest.mark.parametrize("data", [b"data: " + b"x" * 200, b"data: xxxxxxxxxxxxxxx\n" * 20, b"x" * 200])
def test_an_endless_line_or_event_is_refused(data: bytes) -> None:
    with pytest.raises(OversizeError):
        SseParser(limit=100).feed(data)


@given(
    rows=st.lists(TEXT.map(str.strip).filter(bool), max_size=6),
    places=st.lists(st.integers(min_value=0), max_size=30),
    last=st.booleans(),
)
def test_lines_survive_any_cut(*, rows: list[str], places: list[int], last: bool) -> None:
    data = "\n\n".join(rows) + ("\n" if last else "")
    parser = LineParser(limit=10_000)

    found = [event.data for piece in cut(data.encode(), places) for event in parser.feed(piece)]
    found += [event.data for event in parser.rest()]

    assert [row.encode().strip().decode() for row in found] == [row.encode().strip().decode() for row in rows]


def test_an_endless_ndjson_line_is_refused() -> None:
    with pytest.raises(OversizeError):
        LineParser(limit=100).feed(b"x" * 200)
