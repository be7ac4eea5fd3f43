"""What every event stream of the gateway must be, checked on the bytes of a whole one.

Two readers that share no code: a strict one of the protocol (WHATWG HTML, section 9.2) says which events there are,
and the port of the Voyage chat's reader must show just that, however the bytes are cut.
"""

import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from typing_extensions import override

from tests.voyage_reader import VoyageReader, cut, read_all

DONE: Final = "[DONE]"
CLOSE_S: Final = 2.0
"""How long the end of the body may be behind `[DONE]`; a spinner turns until then."""
SMALL_BYTES: Final = 100_000
"""A larger body is not cut into single bytes but into larger odd pieces, which takes long enough."""
_ID: Final = re.compile(r"(?P<run>[0-9a-f-]{36}):(?P<seq>[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two blank lines: fields with their values, comments left out."""

    fields: tuple[tuple[str, str], ...]

    def value(self, name: str) -> str:
        values = [value for given, value in self.fields if given == name]
        assert len(values) == 1, f"{name} stands {len(values)} times in {self.fields}"
        return values[0]


ENDS: Final = Block((("data", DONE),))


def check_stream(body: bytes, chunks: Sequence[bytes] = ()) -> list[dict[str, Any]]:
    """Give the events of a whole stream; raises `AssertionError` for whatever a reader could stumble over."""
    *blocks, last = parse(body)
    assert last == ENDS, f"the last event is {last.fields}"
    assert ENDS not in blocks, f"{DONE} stands twice"
    events = [_event(block) for block in blocks]
    _check_order(events)
    _check_shown(events, body, chunks)
    return events


def parse(body: bytes) -> list[Block]:
    """Take a stream apart by the letter; whatever the letter forgives is an `AssertionError` here."""
    assert b"\r" not in body, "a line does not end in LF alone"
    text = body.decode()
    assert not text.startswith("\ufeff"), "a byte order mark"
    assert text.endswith("\n\n"), "the last event has no blank line after it"
    blocks = [Block(tuple(_fields(block))) for block in text.removesuffix("\n\n").split("\n\n")]
    return [block for block in blocks if block.fields]


def _fields(block: str) -> Iterator[tuple[str, str]]:
    assert block, "two blank lines together"
    for line in block.split("\n"):
        if line.startswith(":"):
            continue
        name, colon, value = line.partition(":")
        assert name in {"id", "event", "data"}, f"an unknown field: {line!r}"
        assert colon, f"a field without a value: {line!r}"
        assert value.startswith(" "), f"no space before the value, which the Voyage chat needs: {line!r}"
        yield name, value.removeprefix(" ")


def _event(block: Block) -> dict[str, Any]:
    event: object = json.loads(block.value("data"))
    assert isinstance(event, dict), f"no JSON object: {event!r}"
    position = _ID.fullmatch(block.value("id"))
    assert position is not None, f"a wrong id: {block.fields}"
    named: dict[str, Any] = {"type": block.value("event"), "run_id": position["run"], "seq": int(position["seq"])}
    assert named.items() <= event.items(), f"the fields say {named}, the event says {event}"
    return event  # pyright: ignore[reportUnknownVariableType]  # the keys of JSON are str


def _check_order(events: Sequence[dict[str, Any]]) -> None:
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), "the numbers have a gap"
    assert len({event["run_id"] for event in events}) == 1, "events of two runs"
    assert [event["type"] for event in events if "status" in event] == [events[-1]["type"]], "not one terminal event"
    for place, event in enumerate(events, start=1):
        content = event.get("content", "")
        assert isinstance(content, str), f"content is no text: {content!r}"
        if "error" in event:
            assert isinstance(event["error"], str), f"error is no text: {event['error']!r}"
            assert event["error"].strip(), "error is empty"
            assert place == len(events), "something but [DONE] follows an error"


def _check_shown(events: Sequence[dict[str, Any]], body: bytes, chunks: Sequence[bytes]) -> None:
    text = "".join(event.get("content", "") for event in events)
    shown = events[-1].get("error", text)
    assert shown.startswith(text), f"the error takes text away that was shown: {text!r}, then {shown!r}"
    results: dict[str, Any] = {}
    for event in events:
        if "tool_result" in event:
            results.setdefault(event["tool_result"]["tool_call_id"], event["tool_result"])
    for name, reader in _readings(body, chunks).items():
        assert reader.bubble == shown, f"the chat shows {reader.bubble!r} instead of {shown!r}, fed {name}"
        assert reader.tool_results == list(results.values()), f"other tool results, fed {name}"
        assert reader.events == list(events), f"the chat misses events, fed {name}"


def _readings(body: bytes, chunks: Sequence[bytes]) -> dict[str, VoyageReader]:
    size = 1 if len(body) <= SMALL_BYTES else 61
    return {
        "as one chunk": read_all([body]),
        "as it came": read_all(chunks or [body]),
        f"in chunks of {size}": read_all(cut(body, size)),
    }


class CheckedTransport(httpx.AsyncHTTPTransport):
    """httpx's own, which checks every event stream that is read to its end."""

    def __init__(self) -> None:
        # The clients of the tests talk to loopback without TLS; loading certificates would take most of their time.
        super().__init__(verify=False, trust_env=False)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if "text/event-stream" in response.headers.get("content-type", ""):
            assert response.status_code == 200, f"an event stream with status {response.status_code}"
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = _Watched(response.stream)
        return response


@dataclass(slots=True)
class _Watched(httpx.AsyncByteStream):
    """A body that passes unchanged; a copy is checked once it has ended normally, which an abandoned one has not."""

    stream: httpx.AsyncByteStream
    chunks: list[bytes] = field(default_factory=list[bytes])

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        asked = time.monotonic()
        async for chunk in self.stream:
            self.chunks.append(chunk)
            yield chunk
            asked = time.monotonic()
        waited = time.monotonic() - asked
        check_stream(b"".join(self.chunks), self.chunks)
        assert waited < CLOSE_S, f"the body ended {waited:.1f} s after its last event"

    @override
    async def aclose(self) -> None:
        await self.stream.aclose()


def checked_client(base_url: str, headers: dict[str, str] | None = None, *, timeout: float = 10) -> httpx.AsyncClient:
    """Give a client whose event streams are all checked; its owner closes it."""
    return httpx.AsyncClient(
        base_url=base_url, headers=headers, timeout=timeout, trust_env=False, transport=CheckedTransport()
    )
