import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.runs.surrogates import SurrogateJoiner


def joined(pieces: list[str]) -> str:
    joiner = SurrogateJoiner()
    return "".join([*(joiner.feed(piece) for piece in pieces), joiner.end()])


def utf16_units(text: str) -> list[str]:
    """The text as the single escapes of its JSON form, the halves of a pair apart."""
    raw = text.encode("utf-16-be")
    return [f"\\u{raw[at : at + 2].hex()}" for at in range(0, len(raw), 2)]


@given(st.text(), st.data())
def test_any_text_cut_between_any_two_escapes_comes_out_equal(text: str, data: st.DataObject) -> None:
    units = utf16_units(text)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(units)))))
    edges = [0, *cuts, len(units)]
    pieces = [json.loads(f'"{"".join(units[a:b])}"') for a, b in pairwise(edges)]

    assert joined(pieces) == text


@given(st.lists(st.text(st.characters())))
def test_whatever_comes_in_can_be_encoded(pieces: list[str]) -> None:
    joined(pieces).encode()


@given(st.lists(st.text(st.sampled_from("a\ud83d\ude00😀é"))))
def test_halves_are_replaced_only_where_the_partner_is_missing(pieces: list[str]) -> None:
    expected = json.loads(json.dumps("".join(pieces)))  # joins pairs, keeps lone halves
    expected = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in expected)

    assert joined(pieces) == expected


def test_a_half_is_held_back_until_its_partner_comes() -> None:
    joiner = SurrogateJoiner()

    assert joiner.feed("Hi \ud83d") == "Hi "
    assert joiner.feed("") == ""
    assert joiner.feed("\ude00!") == "😀!"
    assert joiner.end() == ""


def test_a_half_without_partner_becomes_the_replacement_character() -> None:
    assert joined(["a\ud83d", "b"]) == "a\ufffdb"
    assert joined(["\ude00"]) == "\ufffd"
    assert joined(["a\ud83d"]) == "a\ufffd"
