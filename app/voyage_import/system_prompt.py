"""The operator's system prompt."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from app.db.imports import Mark, PromptHere, read_prompt, store_rows
from app.db.models import SystemPrompt
from app.db.prompts import MAX_CHARS
from app.db.voyage_tables import VoyagePrompt
from app.voyage_import.decision import DELETED_HERE, NEWER_HERE, Decision
from app.voyage_import.job import Job
from app.voyage_import.report import Kind, Outcome, Verdict
from app.voyage_import.settle import settle

PROMPT_ID: Final = 1
"""The row that counts, in Voyage and here."""
NOT_IN_USE: Final = "not the one that Voyage uses"
BLANK: Final = "blank, so the built-in one holds"
TOO_LONG: Final = f"longer than {MAX_CHARS} characters"


async def import_system_prompt(job: Job) -> None:
    """Import the text that Voyage uses, unless one was set here later; raises as `import_conversations` does."""
    after = None
    while page := await job.source.prompts(after=after, limit=1):
        after = page[-1].id
        job.report.add(await _store(job, page[0]))


async def _store(job: Job, prompt: VoyagePrompt) -> Sequence[Verdict]:
    return await settle(
        job,
        read=partial(read_prompt, kind=Kind.PROMPT, prompt_id=PROMPT_ID),
        decide=lambda here: _decide(prompt, here),
        store=partial(store_rows, table=SystemPrompt, kind=Kind.PROMPT),
    )


def _decide(prompt: VoyagePrompt, here: PromptHere) -> Decision:
    decision = Decision()
    outcome, reason = Outcome.SKIPPED, ""
    if prompt.id != PROMPT_ID:
        reason = NOT_IN_USE
    elif not prompt.prompt_text.strip():
        reason = BLANK
    elif len(prompt.prompt_text) > MAX_CHARS:
        reason = TOO_LONG
    elif here.version is not None and here.updated_at is None:
        reason = DELETED_HERE
    elif here.version == prompt.updated_at:
        outcome = Outcome.UNCHANGED
    elif here.updated_at is not None and here.updated_at > prompt.updated_at:
        reason = NEWER_HERE
    else:
        outcome = Outcome.IMPORTED
        row = {"id": PROMPT_ID, "text": prompt.prompt_text, "updated_at": prompt.updated_at}
        (decision.rows.new if here.updated_at is None else decision.rows.changed).append(row)
        decision.rows.marks.append(Mark(source_id=str(prompt.id), version=prompt.updated_at, row_id=PROMPT_ID))
    decision.say(Kind.PROMPT, outcome, prompt.id, reason)
    return decision
