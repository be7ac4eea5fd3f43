"""Reading a run from any event on, wherever it is or was in hand."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any, Final, TypeVar, final
from uuid import UUID

from app.db import run_events, runs
from app.db.models import Message, Run
from app.db.session import Database, Session
from app.db.tool_rounds import messages_of
from app.entry import Entry, encode_detached, encode_snapshot, fitting, text_of
from app.errors import ErrorBody, GatewayError, NotFound, ServerShutdown, StorageUnavailable
from app.runs.hub import RunHub
from app.runs.journal import BATCH_BYTES, BATCH_ENTRIES, Journal
from app.runs.replica import run_topic
from app.wakeups import Wakeups

POLL_S: Final = 0.2
"""How often a reader looks at the database for what another process writes, where nothing wakes it."""
WOKEN_POLL_S: Final = 1.0
"""And where something does."""
PATIENCE_S: Final = 20.0
"""How long a reader waits for a database that does not answer."""
LOOKS_AT_ONCE: Final = 2
"""Of all readers together: whoever asks for something short does not wait behind a hundred long replays."""
FIRST_EVENTS: Final = 16
"""What a reader's first look takes; the next ones take what such events fill a batch with."""
CLOSE_S: Final = 2.0
"""A database that does not answer may not hold up the end of the process."""
RETRY_MS: Final = 1_000
T = TypeVar("T")


@final
class Readers:
    """Gives the events of runs to any number of readers; a live run's from memory, all others from the database."""

    def __init__(self, database: Database, hub: RunHub, wakeups: Wakeups) -> None:
        """Take where runs are."""
        self._database = database
        self._hub = hub
        self._wakeups = wakeups
        self._leaving = False
        self._turns = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._looks: set[asyncio.Task[Any]] = set()

    def leave(self) -> None:
        """Let readers of other processes' runs go, soon: this process ends."""
        self._leaving = True

    async def close(self) -> None:
        """Wait a moment for what readers that have left were still asking the database."""
        if self._looks:
            await asyncio.wait(self._looks, timeout=CLOSE_S)

    async def newest(self, session: Session, run: Run) -> int:
        """Give the number of a run's newest event, 0 before the first.

        A run that is in hand here is ahead of what readers of the database find.
        """
        live = self._hub.find(run.id)
        kept = await run_events.last_event_seq(session, run_id=run.id)
        return max(kept, run.last_seq or 0, live.journal.last_seq if live is not None else 0)

    def follow(self, run_id: UUID, after: int = 0, *, user_id: str) -> AsyncGenerator[Sequence[Entry]]:
        """Give what comes after event `after`, in batches, until the terminal event.

        Gives the message as it stands where the events are no longer kept. Ends with a `stream.detached` where the
        rest has to be read elsewhere or later.
        """
        live = self._hub.find(run_id)
        return self._stored(run_id, after, user_id) if live is None else self.follow_live(live.journal, after)

    async def follow_live(self, journal: Journal, after: int = 0) -> AsyncGenerator[Sequence[Entry]]:
        """Do the same for a run that is in hand here."""
        cursor, waited = after, True
        while True:
            batch = journal.batch(cursor)
            if batch:
                cursor = batch[-1].seq
                if not waited:
                    await asyncio.sleep(0)
                waited = False
                yield batch
            elif journal.over:
                break
            else:
                await journal.grown()
                waited = True
        if not journal.closed:
            yield (await self._detached(journal.run_id, journal.left_with, journal.shown_text()),)

    async def _stored(self, run_id: UUID, after: int, user_id: str) -> AsyncGenerator[Sequence[Entry]]:
        cursor, limit, loop = after, FIRST_EVENTS, asyncio.get_running_loop()
        patience_ends = loop.time() + PATIENCE_S
        with self._wakeups.watch(run_topic(run_id)) as watch:
            while True:
                try:
                    batch, over = await self._apart(self._look(run_id, cursor, limit, user_id))
                except StorageUnavailable as away:
                    if self._leaving or loop.time() > patience_ends:
                        yield (await self._detached(run_id, away, cursor),)
                        return
                    await watch.wait(POLL_S)
                    continue
                except NotFound as gone:
                    yield (await self._detached(run_id, gone, cursor),)
                    return
                patience_ends = loop.time() + PATIENCE_S
                if batch:
                    limit = _next_limit(batch)
                    batch = fitting(batch, BATCH_BYTES)
                    cursor = batch[-1].seq
                    yield batch
                if batch[-1].terminal if batch else over:
                    return
                if self._leaving:
                    yield (await self._detached(run_id, None, cursor),)
                    return
                if not batch:
                    await watch.wait(WOKEN_POLL_S if self._wakeups.reaches_others else POLL_S)

    async def _look(self, run_id: UUID, cursor: int, limit: int, user_id: str) -> tuple[Sequence[Entry], bool]:
        """Give the next events; where there are none, also whether there will be none. Raises `NotFound`."""
        async with self._turns, self._database.read() as session:
            batch = await run_events.read_events(session, run_id=run_id, after=cursor, limit=limit)
            if batch or not await runs.is_over(session, run_id):
                return batch, False
        # A transaction that began before the run was over may not show its last events.
        async with self._turns, self._database.read() as session:
            batch = await run_events.read_events(session, run_id=run_id, after=cursor, limit=limit)
            return (batch, True) if batch else (await self._instead(session, run_id, cursor, user_id), True)

    async def _instead(self, session: Session, run_id: UUID, cursor: int, user_id: str) -> Sequence[Entry]:
        """Give the message as it stands to a reader of a run whose events are no longer kept."""
        run = await runs.get_run(session, user_id=user_id, run_id=run_id)
        if cursor == last_number(run):
            return ()
        *earlier, message = await messages_of(session, run)
        snapshot = _snapshot_of(message) | {"earlier": [_step_of(step) for step in earlier]}
        # Numbered, so that whoever comes back with its id is told that nothing follows.
        return (encode_snapshot(str(run_id), seq=last_number(run), snapshot=snapshot),)

    async def _apart(self, asking: Coroutine[Any, Any, T]) -> T:
        """Do it in a task of its own: a reader that leaves is cancelled, and a connection in use would be lost."""
        task = asyncio.create_task(asking, name="reader's look")
        self._looks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._looks.discard(task)
        if not task.cancelled():
            task.exception()  # counts as seen, as the reader may have left

    async def _detached(self, run_id: UUID, error: GatewayError | None, shown: str | int) -> Entry:
        """Give the end of a stream whose reader has seen the text `shown`, or all events up to that number."""
        error = error or ServerShutdown(action="The answer goes on; read it again in a moment.")
        text = shown if isinstance(shown, str) else await self._apart(self._shown_text(run_id, shown))
        body = ErrorBody(error=error, run_id=str(run_id), partial_text=text)
        return encode_detached(str(run_id), retry_ms=RETRY_MS, error=body)

    async def _shown_text(self, run_id: UUID, last: int) -> str:
        text, seq = "", 0
        try:
            while seq < last:
                limit = min(BATCH_ENTRIES, last - seq)
                async with self._database.read() as session:
                    page = await run_events.read_events(session, run_id=run_id, after=seq, limit=limit)
                if not page:
                    break
                text, seq = text + text_of(page), page[-1].seq
        except StorageUnavailable:
            pass  # then the end says less, and the text is read again with the rest
        return text


def last_number(run: Run) -> int:
    """Give the number of the last event of a run that is over, kept or not; 1 where it never had one."""
    return run.last_seq or 1


def _snapshot_of(message: Message) -> dict[str, Any]:
    return {
        "message_id": str(message.id),
        "status": message.status,
        "content": message.content,
        "tool_calls": message.tool_calls,
        "finish_reason": message.finish_reason,
        "usage": message.usage,
        "error": message.error,
        "provider": message.provider,
        "model": message.model,
    }


def _step_of(message: Message) -> dict[str, Any]:
    names = ("role", "content", "tool_calls", "tool_call_id", "name", "status")
    return {"message_id": str(message.id)} | {name: getattr(message, name) for name in names}


def _next_limit(batch: Sequence[Entry]) -> int:
    """Give how many events of that size fill a batch."""
    size = sum(len(entry.data) for entry in batch) // len(batch)
    return max(1, min(BATCH_ENTRIES, BATCH_BYTES // max(1, size)))
