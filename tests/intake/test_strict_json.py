import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.intake.strict_json import MAX_DEPTH, MAX_NODES, loads

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
)
_KEYS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=20)


@given(_JSON)
def test_reads_what_others_write(value: Any) -> None:
    assert loads(json.dumps(value).encode()) == value
    assert loads(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_bytes_never_fail_otherwise(body: bytes) -> None:
    refused: list[InvalidInput] = []
    try:
        assert loads(body) == json.loads(body)
    except InvalidInput as error:
        refused.append(error)

    assert all(error.http_status == 400 and error.fields for error in refused)


@pytest.mark.parametrize(
    ("body", "place", "reason"),
    [
        (b"", "non_field_errors", "not valid JSON"),
        (b"{", "non_field_errors", "line 1, column 2"),
        (b'{"a": 1,}', "non_field_errors", "not valid JSON"),
        (b"\xff", "non_field_errors", "UTF-8 at byte 0"),
        (b'\xef\xbb\xbf{"a": 1}', "non_field_errors", "not valid JSON"),
        (b'{"a": NaN}', "a", "NaN"),
        (b"-Infinity", "non_field_errors", "NaN or Infinity"),
        (b'{"a": [1, 1e999]}', "a[1]", "too large"),
        (b'{"a": {"b": 18446744073709551616}}', "a.b", "64 bits"),
        (b'{"a": -' + b"9" * 5000 + b"}", "a", "64 bits"),
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "a", "same key twice"),
        (b'{"a": "\\ud800"}', "a", "surrogate"),
        (b'{"a": [{"\\udfff": 1}]}', "a[0]", "key that contains half a character"),
        (b'{"tools": [{"name": "x\\u0000"}]}', "tools[0].name", "U+0000"),
        (b'{"a": "\x00"}', "non_field_errors", "not valid JSON"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "non_field_errors", "deeper"),
        (b"[" * 10_000, "non_field_errors", "deeper"),
        (b'{"a":' * 10_000, "non_field_errors", "deeper"),
        (b"[" + b"1," * MAX_NODES + b"1]", "non_field_errors", "values"),
        (b"[" + b"[]," * (MAX_NODES - 1) + b"[]]", "non_field_errors", "values"),
    ],
)
def test_names_what_and_where(body: bytes, place: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        loads(body)

    ((name, (text,)),) = caught.value.fields.items()
    assert name == place
    assert reason in text
    assert caught.value.action


def test_takes_everything_up_to_the_limits() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    most = b"[" + b"1," * (MAX_NODES - 2) + b"1]"

    assert loads(deepest)
    assert len(loads(most)) == MAX_NODES - 1
    assert loads(b'{"emoji": "\\ud83d\\ude00", "brackets": "[[[[{{{{,,,,\\"["}') == {
        "emoji": "😀",
        "brackets": '[[[[{{{{,,,,"[',
    }


@pytest.mark.parametrize(
    "body",
    [
        b'"' * 1_000_000,
        b'"\\' * 500_000,
        b'["' + b"x" * 999_000 + b'"]',
        b"1" * 1_000_000,
        b'{"' + b"\\u0041" * 160_000 + b'": 1',
        b" " * 1_000_000,
    ],
)
def test_a_large_body_costs_little(body: bytes) -> None:
    begun = time.process_time()
    with contextlib.suppress(InvalidInput):
        loads(body)

    # CPU of this process; the naive way took 5 s for the same body.
    assert time.process_time() - begun < 2.0


def test_a_secret_in_a_value_is_not_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        loads(b'{"api_key": "sk-canary\\u0000"}')

    assert "canary" not in repr(caught.value.fields) + caught.value.sentence
