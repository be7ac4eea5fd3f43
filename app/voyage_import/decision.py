"""What to store of some rows of the source, and what that makes of each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from app.db.imports import OVERTAKEN, NewRows
from app.voyage_import.report import Kind, Outcome, Verdict

DELETED_HERE: Final = "deleted here"
NEWER_HERE: Final = "newer here"
FOREIGN_ID: Final = "its id belongs to another user here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Rows to store and verdicts; `stored_as` has the row here for a source row whose id is another."""

    rows: NewRows = field(default_factory=NewRows)
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    stored_as: dict[str, str] = field(default_factory=dict[str, str])

    def say(self, kind: Kind, outcome: Outcome, source_id: object, reason: str = "") -> None:
        """Add a verdict."""
        self.verdicts.append(Verdict(kind=kind, outcome=outcome, source_id=str(source_id), reason=reason))

    def corrected(self, refused: Mapping[object, str]) -> list[Verdict]:
        """Give the verdicts, now that the database has refused the rows with these ids."""
        if not refused:
            return self.verdicts
        why = {str(row_id): reason for row_id, reason in refused.items()}
        return [self._corrected(verdict, why) for verdict in self.verdicts]

    def _corrected(self, verdict: Verdict, why: Mapping[str, str]) -> Verdict:
        reason = why.get(self.stored_as.get(verdict.source_id, verdict.source_id))
        if reason is None or verdict.outcome is not Outcome.IMPORTED:
            return verdict
        outcome = Outcome.SKIPPED if reason == OVERTAKEN else Outcome.UNREADABLE
        return replace(verdict, outcome=outcome, reason=reason)
