"""What an upstream said is shown short, and never with a key, an address or markup in it."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.excerpt import excerpt
from app.providers.key_echo import KeyEcho
from app.secret import Secret

KEY = 'plain+key/with"odd=chars'


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY, safe="").lower(),
        quote(KEY),
        "".join(f"%{ord(letter):02x}" for letter in KEY),
        KEY.replace("p", "%70"),
        json.dumps(KEY)[1:-1],
        base64.b64encode(KEY.encode()).decode(),
    ],
)
def test_the_key_is_cut_out_in_every_form(echo: str) -> None:
    shown = excerpt(f"Incorrect API key provided: {echo}.", Secret(KEY))

    assert shown is not None
    assert echo not in shown
    assert shown.startswith("Incorrect API key provided")


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("see https://internal.example.com/x?token=1 now", "internal"),
        ("connect to db01.corp:5432 failed", "db01"),
        ("host 10.1.2.3:80 is down", "10.1.2.3"),
        ("Incorrect API key provided: sk-te***********1234", "1234"),
        ("Bearer abcdef was refused", "abcdef"),
        ("a <b onclick=x>bold</b> word", "onclick"),
    ],
)
def test_addresses_keys_and_markup_are_cut_out(said: str, hidden: str) -> None:
    assert hidden not in (excerpt(said, None) or "")


def test_an_html_page_gives_nothing() -> None:
    assert excerpt("<!doctype html><html><h1>502</h1></html>", None) is None


@given(st.text(max_size=2000))
def test_any_text_gives_a_short_line(said: str) -> None:
    shown = excerpt(said, None)

    assert shown is None or (len(shown) <= 300 and shown.isprintable() and shown.encode())


def test_megabytes_are_read_only_at_their_beginning() -> None:
    assert excerpt("word " * 4_000_000, None) == ("word " * 60).strip()


def test_a_key_that_the_cut_goes_through_is_hidden_too() -> None:
    said = "." * (4096 - 12) + KEY

    assert KEY[:8] not in (excerpt(said.replace(".", " ", 4000), Secret(KEY)) or "")


@given(st.text("ab%46", max_size=40), st.lists(st.booleans(), min_size=9, max_size=9), st.text("ab%46", max_size=40))
def test_a_key_is_found_however_it_is_encoded(before: str, encoded: list[bool], after: str) -> None:
    key = "ab46-ab46"
    echo = "".join(f"%{ord(letter):02X}" if code else letter for letter, code in zip(key, encoded, strict=True))

    assert KeyEcho(Secret(key)).stands_in(f"{before} {echo} {after}")
    assert not KeyEcho(Secret(key)).stands_in(f"{before} none {after}")
