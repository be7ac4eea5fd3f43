"""What every part of an import needs."""

from dataclasses import dataclass

from app.db.session import Database
from app.db.voyage_source import VoyageSource
from app.providers.registry import Registry
from app.vault import Vault
from app.voyage_import.report import ImportReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much goes into one transaction, which must be short: a running gateway waits for it."""

    rows: int = 200
    """Conversations, keys or settings."""
    messages: int = 5000
    message_bytes: int = 4_000_000
    """Of texts and tool calls, which are held in memory until they are stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One import: from where, to where, with what; nothing of it is closed here."""

    source: VoyageSource
    database: Database
    vault: Vault | None
    """None where no key can be sealed."""
    registry: Registry
    report: ImportReport
    limits: Limits
    dry_run: bool
