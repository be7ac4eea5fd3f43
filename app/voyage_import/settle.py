"""One transaction of an import: what is here is read, compared and, where something is missing, stored."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from app.db.imports import Reading, Storing, see_one_moment, take_turn
from app.voyage_import.decision import Decision
from app.voyage_import.job import Job
from app.voyage_import.report import Verdict

Here = TypeVar("Here")


async def settle(
    job: Job, *, read: Reading[Here], decide: Callable[[Here], Decision], store: Storing
) -> Sequence[Verdict]:
    """Store what `decide` makes of what is here, and give its verdicts; a dry run only gives them.

    Raises `StorageUnavailable`.
    """
    async with job.database.read() as session:
        await see_one_moment(session)
        decision = decide(await read(session, lock=False))
    if job.dry_run or not decision.rows:
        return decision.verdicts
    async with job.database.write() as session:
        await take_turn(session)
        # Once more, now that nobody can change it: a user may have written or deleted something in between.
        decision = decide(await read(session, lock=True))
        refused = await store(session, rows=decision.rows)
    return decision.corrected(refused)
