import asyncio
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from app.db.run_events import NewEvents
from app.entry import encode
from app.errors import StorageUnavailable
from app.events import MessageDelta
from app.runs import spill as spill_module
from app.runs.spill import PART_EVENTS, Spill, restore


def new(seq: int, run: int = 1, content: str = "Ünï🐙\n") -> NewEvents:
    entry = encode(MessageDelta(message_id="m", content=content), run_id=str(UUID(int=run)), seq=seq)
    return NewEvents(UUID(int=run), 3, [entry.not_durable()])


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


class Book:
    """What was restored, a part at a time."""

    def __init__(self) -> None:
        self.parts: list[list[NewEvents]] = []
        self.away = False

    async def append(self, events: Sequence[NewEvents]) -> None:
        if self.away:
            raise StorageUnavailable
        self.parts.append(list(events))

    @property
    def events(self) -> list[NewEvents]:
        return [event for part in self.parts for event in part]


async def restored(folder: Path) -> list[NewEvents]:
    book = Book()
    assert await restore(folder, book.append) == len(book.events)
    return book.events


async def test_what_a_dead_process_has_left_is_restored_once(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "one")
    assert files(tmp_path) == [], "nothing is made before it is needed"
    written = [new(1), new(2), new(1, run=2)]
    assert await spill.write(written[:2])
    assert await spill.write(written[2:])
    spill.close()

    assert await restored(tmp_path) == written
    assert files(tmp_path) == []
    assert await restored(tmp_path) == []


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        spill = Spill(tmp_path, "one")
        await spill.write([new(1)])
    finally:
        os.umask(before)
    (path,) = files(tmp_path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    spill.close()


async def test_the_file_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    living = Spill(tmp_path, "living")
    await living.write([new(1)])

    assert await restored(tmp_path) == []
    await living.write([new(2)])
    living.close()
    assert await restored(tmp_path) == [new(1), new(2)]


async def test_half_a_line_is_no_event(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "one")
    await spill.write([new(1), new(2)])
    spill.close()
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    end_of_first = whole.index(b"\n") + 1
    for size in range(end_of_first, len(whole), 7):
        path.write_bytes(whole[:size])

        assert await restored(tmp_path) == [new(1)]


@pytest.mark.parametrize(
    "line", [b"[]", b"null", b"{}", b'["x",1,1,"t","{}"]', b"[1,1,1,1,1]", b'["x",null]', b"\xff", b""]
)
async def test_a_line_that_is_no_event_is_passed_over(tmp_path: Path, line: bytes) -> None:
    spill = Spill(tmp_path, "one")
    await spill.write([new(1)])
    spill.close()
    (path,) = files(tmp_path)
    path.write_bytes(line + b"\n" + path.read_bytes())

    assert await restored(tmp_path) == [new(1)]


async def test_a_file_whose_events_cannot_be_stored_stays(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "one")
    await spill.write([new(1)])
    spill.close()
    book = Book()
    book.away = True

    with pytest.raises(StorageUnavailable):
        await restore(tmp_path, book.append)

    assert await restored(tmp_path) == [new(1)]


async def test_a_large_file_is_restored_in_parts(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "one")
    await spill.write([new(seq, content="") for seq in range(1, PART_EVENTS + 2)])
    spill.close()
    book = Book()

    assert await restore(tmp_path, book.append) == PART_EVENTS + 1
    assert [len(part) for part in book.parts] == [PART_EVENTS, 1]


async def test_several_files_are_restored_each(tmp_path: Path) -> None:
    for run in (1, 2):
        spill = Spill(tmp_path, str(run))
        await spill.write([new(1, run=run)])
        spill.close()

    assert {event.run_id.int for event in await restored(tmp_path)} == {1, 2}


async def test_clearing_removes_the_file_and_writing_makes_another(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "one")
    await spill.write([new(1)])
    await spill.clear()
    await spill.clear()
    assert files(tmp_path) == []

    assert await spill.write([new(2)])
    spill.close()
    assert await restored(tmp_path) == [new(2)]


async def test_a_write_that_fails_says_so_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = Spill(tmp_path, "one")
    await spill.write([new(1)])
    full = 10

    def write(descriptor: int, data: memoryview) -> int:
        nonlocal full
        if not full:
            raise OSError(28, "No space left on device")
        full, size = 0, full
        return os.pwrite(descriptor, data[:size], 0)

    with monkeypatch.context() as patched:
        patched.setattr(spill_module.os, "write", write)
        assert not await spill.write([new(2)])
    assert await spill.write([new(3)])
    spill.close()

    assert await restored(tmp_path) == [new(1), new(3)]


async def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    assert not await Spill(tmp_path / "missing", "one").write([new(1)])


async def test_a_file_that_was_taken_for_a_dead_ones_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = spill_module.fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        for path in tmp_path.iterdir():
            path.unlink()
        lock(descriptor, operation)

    spill = Spill(tmp_path, "one")
    with monkeypatch.context() as patched:
        patched.setattr(spill_module.fcntl, "flock", late)
        assert not await spill.write([new(1)])
    assert await spill.write([new(1)])
    spill.close()

    assert await restored(tmp_path) == [new(1)]


async def test_in_a_folder_for_everybody_only_files_of_ours_are_read(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "one")
    await spill.write([new(1)])
    spill.close()
    (ours,) = files(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(ours.read_bytes())
    os.mkfifo(tmp_path / "gateway-events-pipe.jsonl")
    (tmp_path / "gateway-events-link.jsonl").symlink_to(elsewhere)
    if os.geteuid() == 0:
        foreign = tmp_path / "gateway-events-foreign.jsonl"
        foreign.write_bytes(ours.read_bytes())
        os.chown(foreign, 65_534, -1)

    async with asyncio.timeout(5):
        assert await restored(tmp_path) == [new(1)]
    assert elsewhere.exists()
