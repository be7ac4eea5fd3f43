"""What each user prefers to talk to."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.db.imports import Mark, RowHere, read_ai_settings, read_marks, store_ai_settings, take_turn
from app.db.voyage_tables import VoyageSettings
from app.voyage_import.decision import DELETED_HERE, FOREIGN_ID, NEWER_HERE, Decision
from app.voyage_import.job import Job
from app.voyage_import.report import Kind, Outcome, Verdict


async def import_ai_settings(job: Job) -> None:
    """Import every user's settings as they are; raises as `import_conversations` does."""
    after = None
    while page := await job.source.settings(after=after, limit=job.limits.rows):
        after = page[-1].id
        job.report.add(await _store(job, page))


async def _store(job: Job, page: Sequence[VoyageSettings]) -> Sequence[Verdict]:
    ids, users = [each.id for each in page], [str(each.user_id) for each in page]
    async with job.database.read() as session:
        marks = await read_marks(session, kind=Kind.SETTINGS, source_ids=map(str, ids))
        rows = await read_ai_settings(session, ids=ids, user_ids=users, lock=False)
    decision = _decide(page, marks, rows)
    if job.dry_run or not decision.rows:
        return decision.verdicts
    async with job.database.write() as session:
        await take_turn(session)
        marks = await read_marks(session, kind=Kind.SETTINGS, source_ids=map(str, ids))
        rows = await read_ai_settings(session, ids=ids, user_ids=users, lock=True)
        decision = _decide(page, marks, rows)
        refused = await store_ai_settings(session, kind=Kind.SETTINGS, rows=decision.rows)
    return decision.corrected(refused)


def _decide(page: Sequence[VoyageSettings], marks: Mapping[str, datetime], rows: Sequence[RowHere]) -> Decision:
    decision = Decision()
    by_user, taken = {row.user_id: row for row in rows}, {row.id for row in rows}
    for each in page:
        row, version = by_user.get(str(each.user_id)), marks.get(str(each.id))
        outcome, reason = Outcome.SKIPPED, ""
        if version is not None and row is None:
            reason = DELETED_HERE
        elif version == each.updated_at:
            outcome = Outcome.UNCHANGED
        elif row is None and each.id in taken:
            reason = FOREIGN_ID
        elif row is not None and row.updated_at > each.updated_at:
            reason = NEWER_HERE
        else:
            outcome = Outcome.IMPORTED
            _add(decision, each, row)
        decision.say(Kind.SETTINGS, outcome, each.id, reason)
    return decision


def _add(decision: Decision, each: VoyageSettings, row: RowHere | None) -> None:
    row_id = row.id if row is not None else each.id
    columns = {
        "id": row_id,
        "preferred_provider": _trimmed(each.preferred_provider),
        "preferred_model": _trimmed(each.preferred_model),
        "updated_at": each.updated_at,
    }
    if row is None:
        decision.rows.new.append(columns | {"user_id": str(each.user_id), "created_at": each.created_at})
    else:
        decision.rows.changed.append(columns)
    decision.stored_as[str(each.id)] = str(row_id)
    decision.rows.marks.append(Mark(source_id=str(each.id), version=each.updated_at, row_id=row_id))


def _trimmed(text: str | None) -> str | None:
    return text.strip() if text is not None else None
