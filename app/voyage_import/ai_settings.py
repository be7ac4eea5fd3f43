"""What each user prefers to talk to."""

from collections.abc import Sequence
from functools import partial

from app.db.imports import Mark, RowHere, RowsHere, read_ai_settings, store_rows
from app.db.models import AiSettings
from app.db.voyage_tables import VoyageSettings
from app.voyage_import.decision import DELETED_HERE, FOREIGN_ID, NEWER_HERE, Decision
from app.voyage_import.job import Job
from app.voyage_import.report import Kind, Outcome, Verdict
from app.voyage_import.settle import settle


async def import_ai_settings(job: Job) -> None:
    """Import every user's settings as they are; raises as `import_conversations` does."""
    after = None
    while page := await job.source.settings(after=after, limit=job.limits.rows):
        after = page[-1].id
        job.report.add(await _store(job, page))


async def _store(job: Job, page: Sequence[VoyageSettings]) -> Sequence[Verdict]:
    ids, users = [each.id for each in page], [str(each.user_id) for each in page]
    return await settle(
        job,
        read=partial(read_ai_settings, kind=Kind.SETTINGS, ids=ids, user_ids=users),
        decide=lambda here: _decide(page, here),
        store=partial(store_rows, table=AiSettings, kind=Kind.SETTINGS),
    )


def _decide(page: Sequence[VoyageSettings], here: RowsHere) -> Decision:
    decision = Decision()
    by_user, taken = {row.user_id: row for row in here.rows}, {row.id for row in here.rows}
    for each in page:
        row, version = by_user.get(str(each.user_id)), here.marks.get(str(each.id))
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
