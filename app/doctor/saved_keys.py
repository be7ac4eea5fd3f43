"""Looks at keys after they were saved, in the background: few at once, and only so many wait."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, final
from uuid import UUID

import structlog

from app.doctor.gate import Rate
from app.errors import GatewayError

AT_ONCE: Final = 4
MAX_WAITING: Final = 100
"""More wait only where somebody saves keys by machine; those stay unlooked at."""
_log: Final = structlog.stdlib.get_logger(__name__)


@final
class SavedKeys:
    """Owns the tasks that look at saved keys. `close` it."""

    def __init__(self, look: Callable[[str, UUID], Awaitable[None]], *, rate: Rate | None = None) -> None:
        """`look` takes the owner and the id of a credential, has a deadline of its own, and stores what it finds."""
        self._look = look
        self._rate = rate or Rate()
        self._free = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    def saved(self, user_id: str, credential_id: UUID) -> None:
        """Look at this key soon; a look at what it was before is given up."""
        before = self._tasks.pop(credential_id, None)
        if before is not None:
            before.cancel()
        if len(self._tasks) >= AT_ONCE + MAX_WAITING or self._rate.take(user_id):
            # Nobody tries keys out through here by saving one after the other.
            _log.warning("saved_key.not_checked", credential_id=str(credential_id), reason="too many at once")
            return
        task = asyncio.create_task(self._take_turn(user_id, credential_id), name=f"check key {credential_id}")
        self._tasks[credential_id] = task
        task.add_done_callback(partial(self._done, credential_id))

    @property
    def count(self) -> int:
        """Number of keys that are looked at or wait for it."""
        return len(self._tasks)

    async def idle(self) -> None:
        """Wait until no key is looked at and none waits."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))
            await asyncio.sleep(0)  # their callbacks run

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_turn(self, user_id: str, credential_id: UUID) -> None:
        async with self._free:
            try:
                await self._look(user_id, credential_id)
            except GatewayError as error:
                _log.warning("saved_key.not_checked", credential_id=str(credential_id), reason=error.code)

    def _done(self, credential_id: UUID, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(credential_id) is task:
            del self._tasks[credential_id]
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            # Where it struck, without its message.
            where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(failure.__traceback__)]
            _log.error("saved_key.crashed", error_type=type(failure).__qualname__, where=where)
