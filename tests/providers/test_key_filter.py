"""A key is never let through, and nothing else is kept back."""

from hypothesis import given
from hypothesis import strategies as st

from app.providers.key_filter import HIDDEN, KeyFilter
from app.secret import Secret

KEY = "abcabd-abcabc"
TEXT = st.text("abcd-", max_size=12)


@given(st.lists(TEXT | st.sampled_from([KEY, KEY[:5], KEY[5:]]), max_size=8))
def test_pieces_come_out_as_the_whole_would(pieces: list[str]) -> None:
    filter_ = KeyFilter(Secret(KEY))

    given_ = [filter_.add(piece) for piece in pieces]
    given_.append(filter_.end())

    assert KEY not in "".join(given_)
    assert "".join(given_) == "".join(pieces).replace(KEY, HIDDEN)


def test_text_that_is_no_beginning_of_the_key_is_not_held_back() -> None:
    filter_ = KeyFilter(Secret(KEY))

    assert [filter_.add("Hello "), filter_.add("world")] == ["Hello ", "world"]


def test_without_a_key_everything_passes() -> None:
    assert KeyFilter(None).add(KEY) == KEY


def test_a_word_that_stands_for_a_key_stays_in_the_text() -> None:
    filter_ = KeyFilter(Secret("ollama"))

    assert [filter_.add("I run on oll"), filter_.add("ama."), filter_.end()] == ["I run on oll", "ama.", ""]
