"""Work that is done as a whole, also for who is cancelled meanwhile: to store something and to say so."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def undivided(work: Coroutine[Any, Any, T]) -> T:
    """Do `work` to its end; a cancellation comes after it. `work` has a deadline of its own."""
    task = asyncio.create_task(work, name="undivided")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # counts as seen: the cancellation is what is told
        raise
