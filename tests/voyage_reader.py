"""What the Voyage chat makes of a stream: its reader, step for step, quirks included.

Observed on the running frontend, one reaction at a time; `tests/test_voyage_reader.py` has them all.
"""

import codecs
import json
from collections.abc import AsyncIterable, Iterable
from typing import Any, Final, NoReturn, cast

BREAKS: Final = "the panel breaks: only a text can be shown"
_WHITESPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What JavaScript's `trim` takes off (ECMA-262, WhiteSpace and LineTerminator)."""


class VoyageReader:
    """Fed with the chunks of a body as they arrive; `bubble` is what the person sees.

    What makes the panel break, until the page is reloaded, is an `AssertionError`.
    """

    def __init__(self) -> None:
        self.bubble = ""
        self.tool_results: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        """Every object that was parsed, also those the chat does nothing with."""
        self._text = ""
        self._rest: list[str] = []
        """The line that has not ended yet, in the pieces that came."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, chunk: bytes) -> None:
        """Take one chunk; a last line without its end is never read."""
        self._rest.append(self._decoder.decode(chunk))
        if "\n" not in self._rest[-1]:
            return
        *lines, rest = "".join(self._rest).split("\n")
        self._rest = [rest]
        for line in lines:
            if self._take(line):
                # Leaves this batch of lines only; the next chunk is read again.
                break

    def _take(self, line: str) -> bool:
        """Give whether the rest of the batch is skipped."""
        if not line.startswith("data: "):
            return False
        payload = line.removeprefix("data: ").strip(_WHITESPACE)
        if not payload or payload == "[DONE]":
            return False
        try:
            parsed: object = json.loads(payload, parse_constant=_no_constant)
        except ValueError:
            return False
        if not isinstance(parsed, dict):
            # null fails within the reader's own `try`; no other value has these names.
            return False
        event = cast("dict[str, Any]", parsed)
        self.events.append(event)
        if _truthy(event.get("error")):
            assert isinstance(event["error"], str), BREAKS
            self.bubble = event["error"]
            return True
        if _truthy(event.get("content")):
            self._text += _as_text(event["content"])
            self.bubble = self._text
        result = event.get("tool_result")
        if result and all(known.get("tool_call_id") != result.get("tool_call_id") for known in self.tool_results):
            self.tool_results.append(result)
        return False


def _no_constant(name: str) -> NoReturn:
    """Refuse what Python's JSON knows and JavaScript's does not: NaN and the infinities."""
    raise ValueError(name)


def _truthy(value: object) -> bool:
    """Tell it as JavaScript does: an empty object or array counts as something."""
    return bool(value) or isinstance(value, dict | list)


def _as_text(value: object) -> str:
    """Give what `+=` appends to a text."""
    match value:
        case str():
            return value
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int() | float():
            return f"{value:.15g}"
        case list():
            return ",".join("" if item is None else _as_text(item) for item in cast("list[object]", value))
        case _:
            return "[object Object]"


async def read(chunks: AsyncIterable[bytes]) -> VoyageReader:
    reader = VoyageReader()
    async for chunk in chunks:
        reader.feed(chunk)
    return reader


def read_all(chunks: Iterable[bytes]) -> VoyageReader:
    reader = VoyageReader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader


def read_cut(body: bytes, size: int) -> VoyageReader:
    """Read a whole body in chunks of `size` bytes."""
    return read_all(cut(body, size))


def cut(body: bytes, size: int) -> Iterable[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))
