"""A message that waits until the answers before it have ended."""

import asyncio
from typing import Final

from app.db import runs
from app.db.session import Database
from app.errors import StorageUnavailable
from app.runs.live import LiveRun
from app.runs.replica import run_topic
from app.wakeups import Wakeups

POLL_S: Final = 0.5
"""How often it looks whether it is its turn; the end of an answer in this process wakes it earlier."""


def conversation_topic(run: LiveRun) -> str:
    """Name the end of an answer in the conversation of `run`."""
    return f"conversation:{run.conversation_id}"


async def take_turn(database: Database, wakeups: Wakeups, run: LiveRun, *, owner: str) -> None:
    """Wait for the turn of a queued run of the process `owner`, and begin it.

    Raises `NotFound` when somebody else has ended it. Waits as long as the answers before it take, which have their
    own deadlines.
    """
    with wakeups.watch(conversation_topic(run)) as watch:
        while True:
            try:
                async with database.write() as session:
                    begun = await runs.claim_run(
                        session,
                        run.run_id,
                        user_id=run.user_id,
                        conversation_id=run.conversation_id,
                        owner=owner,
                    )
            except StorageUnavailable:
                begun = False
            if begun:
                wakeups.tell(run_topic(run.run_id))
                return
            await watch.wait(POLL_S)
            await asyncio.sleep(0)
