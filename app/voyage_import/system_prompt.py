"""The operator's system prompt."""

from datetime import datetime
from typing import Final

from app.db.imports import Mark, read_marks, read_prompt_time, store_prompt, take_turn
from app.db.voyage_tables import VoyagePrompt
from app.voyage_import.decision import DELETED_HERE, NEWER_HERE, Decision
from app.voyage_import.job import Job
from app.voyage_import.report import Kind, Outcome, Verdict

PROMPT_ID: Final = 1
"""The row that counts, in Voyage and here."""
NOT_IN_USE: Final = "not the one that Voyage uses"
BLANK: Final = "blank, so the built-in one holds"


async def import_system_prompt(job: Job) -> None:
    """Import the text that Voyage uses, unless one was set here later; raises as `import_conversations` does."""
    after = None
    while page := await job.source.prompts(after=after, limit=1):
        after = page[-1].id
        job.report.add(await _store(job, page[0]))


async def _store(job: Job, prompt: VoyagePrompt) -> list[Verdict]:
    async with job.database.read() as session:
        marks = await read_marks(session, kind=Kind.PROMPT, source_ids=[str(prompt.id)])
        decision = _decide(prompt, marks.get(str(prompt.id)), await read_prompt_time(session, prompt_id=PROMPT_ID))
    if job.dry_run or not decision.rows:
        return decision.verdicts
    async with job.database.write() as session:
        await take_turn(session)
        marks = await read_marks(session, kind=Kind.PROMPT, source_ids=[str(prompt.id)])
        decision = _decide(prompt, marks.get(str(prompt.id)), await read_prompt_time(session, prompt_id=PROMPT_ID))
        refused = await store_prompt(session, kind=Kind.PROMPT, rows=decision.rows)
    return decision.corrected(refused)


def _decide(prompt: VoyagePrompt, version: datetime | None, here: datetime | None) -> Decision:
    decision = Decision()
    outcome, reason = Outcome.SKIPPED, ""
    if prompt.id != PROMPT_ID:
        reason = NOT_IN_USE
    elif not prompt.prompt_text.strip():
        reason = BLANK
    elif version is not None and here is None:
        reason = DELETED_HERE
    elif version == prompt.updated_at:
        outcome = Outcome.UNCHANGED
    elif here is not None and here > prompt.updated_at:
        reason = NEWER_HERE
    else:
        outcome = Outcome.IMPORTED
        row = {"id": PROMPT_ID, "text": prompt.prompt_text, "updated_at": prompt.updated_at}
        (decision.rows.new if here is None else decision.rows.changed).append(row)
        decision.rows.marks.append(Mark(source_id=str(prompt.id), version=prompt.updated_at, row_id=PROMPT_ID))
    decision.say(Kind.PROMPT, outcome, prompt.id, reason)
    return decision
