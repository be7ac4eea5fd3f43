"""What became of every row of the source: counted, with reasons and a few ids, never with what the rows say."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, final

SHOWN_IDS: Final = 5


class Kind(StrEnum):
    """What is imported; the values stand in the database."""

    CONVERSATIONS = "conversation"
    MESSAGES = "message"
    KEYS = "key"
    SETTINGS = "ai_settings"
    PROMPT = "prompt"


class Outcome(StrEnum):
    """What became of one row."""

    IMPORTED = "imported"
    UNCHANGED = "unchanged"
    UNREADABLE = "unreadable"
    SKIPPED = "skipped"


_NAMES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.CONVERSATIONS: "conversations",
        Kind.MESSAGES: "messages",
        Kind.KEYS: "provider keys",
        Kind.SETTINGS: "AI settings",
        Kind.PROMPT: "system prompt",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of the source row with this id, and why."""

    kind: Kind
    outcome: Outcome
    source_id: str
    reason: str = ""


@dataclass(slots=True)
class _Reason:
    count: int = 0
    ids: list[str] = field(default_factory=list[str])


@final
class ImportReport:
    """Counts verdicts; every row of the source has exactly one."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._counts: Counter[tuple[Kind, Outcome]] = Counter()
        self._reasons: dict[tuple[Kind, Outcome, str], _Reason] = {}
        self._missing: dict[Kind, str] = {}

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Count some rows."""
        for verdict in verdicts:
            self._counts[verdict.kind, verdict.outcome] += 1
            if verdict.reason:
                reason = self._reasons.setdefault((verdict.kind, verdict.outcome, verdict.reason), _Reason())
                reason.count += 1
                if len(reason.ids) < SHOWN_IDS:
                    reason.ids.append(verdict.source_id)

    def leave_out(self, kind: Kind, why: str) -> None:
        """Note that the source has no such rows at all."""
        self._missing[kind] = why

    @property
    def left_out(self) -> list[str]:
        """Give the names of the kinds of which the source has no such rows at all."""
        return [_NAMES[kind] for kind in Kind if kind in self._missing]

    def count(self, kind: Kind, outcome: Outcome) -> int:
        """Give how many rows of a kind had this outcome."""
        return self._counts[kind, outcome]

    def counts(self, kind: Kind) -> dict[str, int]:
        """Give the rows of a kind by outcome, those with a reason by `outcome, reason`; the former add up to all."""
        plain = {outcome.value: self.count(kind, outcome) for outcome in Outcome}
        reasons = self._reasons.items()
        return plain | {f"{of[1].value}, {of[2]}": reason.count for of, reason in reasons if of[0] is kind}

    def lines(self) -> list[str]:
        """Give the report for a person."""
        return [line for kind in Kind for line in self._lines(kind)]

    def _lines(self, kind: Kind) -> list[str]:
        if kind in self._missing:
            return [f"{_NAMES[kind]}: skipped, this Voyage has {self._missing[kind]}"]
        counts = ", ".join(f"{self.count(kind, outcome)} {outcome.value}" for outcome in Outcome)
        lines = [f"{_NAMES[kind]}: {counts}"]
        order = list(Outcome)
        reasons = ((of, reason) for of, reason in self._reasons.items() if of[0] is kind)
        for of, reason in sorted(reasons, key=lambda item: (order.index(item[0][1]), -item[1].count, item[0][2])):
            more = ", ..." if reason.count > len(reason.ids) else ""
            lines.append(f"  {of[1].value}, {of[2]}: {reason.count} ({', '.join(reason.ids)}{more})")
        return lines
