"""A journal read as its readers do, without what they add."""

import asyncio
from collections.abc import AsyncGenerator

from app.entry import Entry
from app.runs.journal import Journal


async def follow(journal: Journal, after: int = 0) -> AsyncGenerator[tuple[Entry, ...]]:
    """Give what comes after entry `after`, in batches, until nothing more becomes visible."""
    while True:
        batch = journal.batch(after)
        if batch:
            after = batch[-1].seq
            await asyncio.sleep(0)
            yield batch
        elif journal.over:
            return
        else:
            await journal.grown()
