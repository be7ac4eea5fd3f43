"""Pages: rows with many events of one run, as SQLite keeps them once they are not the newest any more."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import orjson

from app.entry import Entry

PAGE: Final = "page"
"""The type of a row with several events, one a line; its number is that of the last one."""
PAGE_EVENTS: Final = 256
PAGE_BYTES: Final = 65_536
_HEX: Final = 32
"""Characters of a run's id, which stands before each line of the journal."""


def pages_of(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Give the rows that hold `entries`, which follow one another; a single event is a row as it is."""
    first, size = 0, 0
    for place, entry in enumerate(entries):
        if place > first and (place - first >= PAGE_EVENTS or size + len(entry.data) > PAGE_BYTES):
            yield _page(entries[first:place])
            first, size = place, 0
        size += len(entry.data)
    if entries:
        yield _page(entries[first:])


def _page(entries: Sequence[Entry]) -> Entry:
    last = entries[-1]
    if len(entries) == 1:
        return last
    return Entry(last.seq, PAGE, b"\n".join(entry.data for entry in entries))


def entries_of(seq: int, kind: str, data: bytes) -> Iterable[Entry]:
    """Give the events of one row."""
    if kind != PAGE:
        return (Entry(seq, kind, data),)
    return map(read_line, data.split(b"\n"))


def journal_lines(run_id: str, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Give the lines of the journal for events of the run with this id in hexadecimal."""
    owner = run_id.encode()
    return (owner + entry.data for entry in entries)


def read_journal(lines: bytes, *, run_id: str = "") -> Iterator[tuple[str, Entry]]:
    """Give the events of one row of the journal, each with the id of its run; those of one run only, if it is named."""
    only = run_id.encode()
    return ((line[:_HEX].decode(), read_line(line[_HEX:])) for line in lines.split(b"\n") if line.startswith(only))


def read_line(line: bytes) -> Entry:
    """Give the event that one line of JSON is."""
    fields = orjson.loads(line)
    return Entry(fields["seq"], fields["type"], line)


def in_order(entries: Iterable[Entry], *, after: int) -> Iterator[Entry]:
    """Give each event after number `after` once: what was written twice comes twice."""
    for entry in entries:
        if entry.seq > after:
            after = entry.seq
            yield entry
