"""Events as they are stored and as they go on the wire: numbered, and encoded once for all readers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from app.errors import ErrorBody
from app.events import Event, MessageDelta, ReasoningDelta, RunStatus, ToolCallDelta

WIRE_VERSION: Final = 1
DETACHED: Final = "stream.detached"
SNAPSHOT: Final = "message.snapshot"
TERMINAL_TYPES: Final = frozenset(f"run.{status}" for status in RunStatus if status.terminal)
"""Types of the one event that ends a run."""
MAX_DELTA_CHARS: Final = 16_384
"""Longest text of one event that is put together from several deltas."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it is stored and as it goes on the wire, encoded once for all readers."""

    seq: int
    """Its number in its run, from 1; 0 for what concerns one connection only and is not stored."""
    type: str
    data: bytes
    """One line of compact JSON."""

    @property
    def terminal(self) -> bool:
        """Whether nothing follows."""
        return self.type in TERMINAL_TYPES or self.type == SNAPSHOT

    def not_durable(self) -> "Entry":
        """Give the event with the word that the database does not have it yet."""
        return Entry(self.seq, self.type, self.data[:-1] + b',"durable":false}')

    def told_as(self, seq: int) -> "Entry":
        """Give the event under another number, under which the database will never have it."""
        return Entry(seq, self.type, _kept(orjson.loads(self.data) | {"seq": seq})).not_durable()


def fitting(entries: Sequence[Entry], max_bytes: int) -> Sequence[Entry]:
    """Give the first entries that have no more than `max_bytes` together, at least one."""
    size = 0
    for place, entry in enumerate(entries):
        size += len(entry.data)
        if place and size > max_bytes:
            return entries[:place]
    return entries


def encode(event: Event, *, run_id: str, seq: int) -> Entry:
    """Give the event numbered `seq` within its run."""
    if type(event) is MessageDelta:
        # Nine of ten events: the same bytes as below, without the tables in between.
        text = orjson.dumps(event.content)
        head = f'{{"v":1,"type":"message.delta","seq":{seq},"run_id":"{run_id}"'
        return Entry(seq, event.type, f'{head},"message_id":"{event.message_id}","content":'.encode() + text + b"}")
    head = {"v": WIRE_VERSION, "type": event.type, "seq": seq, "run_id": run_id}
    return Entry(seq, event.type, _kept(head | event.data()))


def _kept(data: dict[str, Any]) -> bytes:
    """Encode what stays in memory; orjson's own result holds 4 kB however short it is, a copy of it does not."""
    return bytes(memoryview(orjson.dumps(data)))


def encode_detached(run_id: str, *, retry_ms: int, error: ErrorBody) -> Entry:
    """Give what ends a stream whose run goes on: where to read on, and after how many milliseconds.

    With the error for readers that know nothing of that: for them the answer ends here.
    """
    data = {"v": WIRE_VERSION, "type": DETACHED, "run_id": run_id, "retry_ms": retry_ms}
    where = {"resume_url": f"/api/chat/runs/{run_id}/stream/"}
    return Entry(0, DETACHED, orjson.dumps(data | where | error.as_dict()))


def text_of(entries: Iterable[Entry]) -> str:
    """Give the text that has been shown so far."""
    deltas = (entry.data for entry in entries if entry.type == MessageDelta.type)
    return "".join(orjson.loads(data)["content"] for data in deltas)


def encode_snapshot(run_id: str, *, seq: int, snapshot: dict[str, Any]) -> Entry:
    """Give the message as it stands, in place of events that are no longer kept; `seq` is the last one's."""
    data = {"v": WIRE_VERSION, "type": SNAPSHOT, "seq": seq, "run_id": run_id, "snapshot": snapshot}
    return Entry(seq, SNAPSHOT, orjson.dumps(data))


def join_deltas(events: Iterable[Event]) -> Iterator[Event]:
    """Give the events with neighbouring pieces of one text made into one event of at most `MAX_DELTA_CHARS`."""
    group: list[Event] = []
    chars = 0
    for event in events:
        length = _chars(event)
        if group and (not _continues(group[-1], event) or chars + length > MAX_DELTA_CHARS):
            yield _joined(group)
            group, chars = [], 0
        group.append(event)
        chars += length
    if group:
        yield _joined(group)


def _continues(before: Event, event: Event) -> bool:
    match before, event:
        case (MessageDelta(), MessageDelta()) | (ReasoningDelta(), ReasoningDelta()):
            return before.message_id == event.message_id
        case ToolCallDelta(), ToolCallDelta():
            same = (before.message_id, before.index) == (event.message_id, event.index)
            return same and event.id is None and event.name is None
        case _:
            return False


def _joined(group: Sequence[Event]) -> Event:
    first = group[0]
    if len(group) == 1:
        return first
    text = "".join(_text(event) for event in group)
    match first:
        case MessageDelta():
            return replace(first, content=text)
        case ReasoningDelta():
            return replace(first, reasoning=text)
        case ToolCallDelta():
            return replace(first, arguments=text)
        case _:
            return first


def _text(event: Event) -> str:
    match event:
        case MessageDelta():
            return event.content
        case ReasoningDelta():
            return event.reasoning
        case ToolCallDelta():
            return event.arguments
        case _:
            return ""


def _chars(event: Event) -> int:
    return len(_text(event))
