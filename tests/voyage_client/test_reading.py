from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.voyage.reading import mapping, one_line, sequence
from tests.voyage_client.strange_json import ANYTHING, TEXT


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Lisbon", "Lisbon"),
        (" a\r\n\n## b\tc ", "a ## b c"),
        ("a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g", "a b c d e f g"),
        ("a\x00b\x1b[31mc\x7fd\x9fe", "a b [31mc d e"),
        ("pay\u200bload \u202etxt\u2066\ufeff", "payload txt"),
        ("hid\U000e0041\U000e0042den", "hidden"),
        ("half \ud83d left", "half left"),
        ("s\ufe00e\ufe0el\U000e0100e\U000e01efc\U000e0fffted", "selected"),
        ("f\u115fi\u1160l\u3164l\uffa0e\u034fd\u2065", "filled"),
        ("m\u180b\u180c\u180d\u180e\u180fk\u17b4\u17b5\ufff0", "mk"),
        ("❤\ufe0f\u200d🔥 1\ufe0f\u20e3 한국 ᄒ\u1161", "❤\ufe0f\u200d🔥 1\ufe0f\u20e3 한국 ᄒ\u1161"),
        ("👩\u200d🚀 می\u200cخواهم e\u0301 \U0001f600", "👩\u200d🚀 می\u200cخواهم e\u0301 \U0001f600"),
        ("x" * 9 + " yz", "x" * 9),
        ("é" * 11, "é" * 10),
        ("", None),
        (" \n\u200b\x00", None),
        ("\u3164\ufe01", None),
    ],
)
def test_a_text_becomes_one_line(text: str, line: str | None) -> None:
    limit = 10 if text[0:9] in {"x" * 9, "é" * 9} else 100

    assert one_line(text, limit) == line


@pytest.mark.parametrize("value", [None, 1, 1.5, True, ["a"], {"a": "b"}, b"a"])
def test_what_is_no_text_gives_none(value: object) -> None:
    assert one_line(value, 10) is None


@given(TEXT, st.integers(1, 50))
def test_a_line_is_one_line_of_visible_text_within_its_bound(text: str, limit: int) -> None:
    line = one_line(text, limit)

    if line is not None:
        assert 0 < len(line) <= limit
        assert line.splitlines() == [line] == [line.strip()]
        line.encode()
        assert one_line(line, limit) == line


@given(ANYTHING)
def test_a_value_is_an_object_or_an_array_or_neither(value: Any) -> None:
    known: dict[str, Any] = {"dict": {}, "list": [], type(value).__name__: value}

    assert mapping(value) == known["dict"]
    assert list(sequence(value)) == known["list"]
