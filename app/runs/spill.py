"""Where events wait while the database is away: a file that survives the process."""

import asyncio
import errno
import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, final
from uuid import UUID

import orjson
import structlog

from app.db.run_events import NewEvents
from app.entry import Entry

WRITE_SECONDS: Final = 5.0
PART_EVENTS: Final = 2_000
_PATTERN: Final = "gateway-events-*.jsonl"
_log: Final = structlog.stdlib.get_logger(__name__)


@final
class Spill:
    """Append-only, one line an event, each write on the disk before it counts; readable by its owner alone.

    The file of a living process is locked; what a dead one has left is found by the next start. For one caller at a
    time.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Take the folder and a name that no other process has; nothing is made before it is needed."""
        self._path = folder / _PATTERN.replace("*", name)
        self._descriptor: int | None = None
        self._writing: asyncio.Task[None] | None = None
        self._failed = False

    @property
    def empty(self) -> bool:
        """Whether there is no file."""
        return self._descriptor is None and self._writing is None

    async def write(self, events: Sequence[NewEvents]) -> bool:
        """Put events into the file; False where that is not possible either, or takes too long."""
        lines = b"".join(line for each in events for line in _lines(each))
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._settled()
                # Not ended by the deadline, as a thread cannot be: the next write waits for this one.
                self._writing = asyncio.create_task(asyncio.to_thread(self._write, lines), name="spill")
                await self._settled()
        except OSError as failure:
            if not self._failed:
                _log.error("spill.failed", error_type=type(failure).__name__, errno=failure.errno)
            self._failed = True
            return False
        self._failed = False
        return True

    async def _settled(self) -> None:
        """Wait for the write that is under way; raises what it raises."""
        writing = self._writing
        if writing is not None:
            await asyncio.wait({writing})
            self._writing = None
            writing.result()

    def _write(self, lines: bytes) -> None:
        if self._descriptor is None:
            self._descriptor = self._create()
        before = os.fstat(self._descriptor).st_size
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fdatasync(self._descriptor)
        except OSError:
            if before:
                # Half a line would hide the next one.
                os.ftruncate(self._descriptor, before)
            else:
                self._remove()
            raise

    def _create(self) -> int:
        """Make the file; under its own name only when it is locked, so that nobody takes it for a dead one's."""
        unlocked = self._path.with_suffix(".new")
        descriptor = os.open(unlocked, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unlocked.rename(self._path)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                unlocked.unlink()
            raise
        return descriptor

    async def clear(self) -> None:
        """Remove the file, as the database has everything; does nothing while a write is still under way."""
        if self._writing is not None and not self._writing.done():
            return
        with suppress(OSError):
            await self._settled()
        await asyncio.to_thread(self._remove)

    def _remove(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                self._path.unlink()
            os.close(descriptor)

    def close(self) -> None:
        """Let go of the file and leave it where it is."""
        if self._descriptor is not None and self._writing is None:
            os.close(self._descriptor)
            self._descriptor = None


async def restore(folder: Path, append: Callable[[Sequence[NewEvents]], Awaitable[object]], *, names: str = "*") -> int:
    """Give `append` what dead processes with such names have left in `folder`, a part at a time; remove their files.

    Gives the number of events. Raises what `append` raises; then the file stays. For the start, before anybody ends
    the runs that the events belong to.
    """
    restored = 0
    for path, events in await asyncio.to_thread(lambda: list(_left_behind(folder, names))):
        for first in range(0, len(events), PART_EVENTS):
            await append(events[first : first + PART_EVENTS])
        await asyncio.to_thread(path.unlink, missing_ok=True)
        restored += len(events)
    return restored


def _left_behind(folder: Path, names: str) -> Iterator[tuple[Path, list[NewEvents]]]:
    """Give the files in `folder` that no living process holds, with their events.

    The folder may be one that everybody can write to: what belongs to another user is not ours.
    """
    for path in sorted(folder.glob(_PATTERN.replace("*", names))):
        with suppress(OSError), os.fdopen(_open_mine(path), "rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path, [event for line in file if (event := _event(line)) is not None]


def _open_mine(path: Path) -> int:
    """Open what this user has written: the folder may be one in which anybody can make files."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if os.fstat(descriptor).st_uid != os.geteuid():
        os.close(descriptor)
        raise PermissionError(errno.EACCES, str(path))
    return descriptor


def _lines(events: NewEvents) -> Iterator[bytes]:
    run_id, epoch = str(events.run_id), events.epoch
    for entry in events.entries:
        yield orjson.dumps([run_id, epoch, entry.seq, entry.type, entry.data.decode()]) + b"\n"


def _event(line: bytes) -> NewEvents | None:
    try:
        run_id, epoch, seq, type_, data = orjson.loads(line)
        return NewEvents(UUID(str(run_id)), int(epoch), [Entry(int(seq), str(type_), str(data).encode())])
    except (ValueError, TypeError):
        return None  # the line that was being written when the process died
