"""The whole import, one kind of rows after the other."""

from app.db.session import Database
from app.db.voyage_source import VoyageSource
from app.db.voyage_tables import CONVERSATIONS, KEYS, MESSAGES, PROMPTS, SETTINGS
from app.providers.registry import Registry
from app.vault import Vault
from app.voyage_import.ai_settings import import_ai_settings
from app.voyage_import.conversations import import_conversations
from app.voyage_import.job import Job, Limits
from app.voyage_import.provider_keys import import_provider_keys
from app.voyage_import.report import ImportReport, Kind
from app.voyage_import.system_prompt import import_system_prompt


async def import_voyage(  # noqa: PLR0913 - two databases, what opens and places the keys, and how
    source: VoyageSource,
    database: Database,
    *,
    vault: Vault | None,
    registry: Registry,
    limits: Limits | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Import what is missing or older here, and give what became of every row; both databases stay the caller's.

    It may be stopped at any point and started again, and run twice at once. `dry_run` reads, decrypts and counts the
    same and writes nothing. Without a vault no key is imported. Raises `VoyageUnavailable` for the source and
    `StorageUnavailable` for the target; what was imported by then stays.
    """
    report = ImportReport()
    job = Job(
        source=source,
        database=database,
        vault=vault,
        registry=registry,
        report=report,
        limits=limits or Limits(),
        dry_run=dry_run,
    )
    parts = (
        ((Kind.CONVERSATIONS, Kind.MESSAGES), (CONVERSATIONS, MESSAGES), import_conversations),
        ((Kind.KEYS,), (KEYS,), import_provider_keys),
        ((Kind.SETTINGS,), (SETTINGS,), import_ai_settings),
        ((Kind.PROMPT,), (PROMPTS,), import_system_prompt),
    )
    for kinds, tables, do in parts:
        lacking = source.missing(*tables)
        for kind in kinds if lacking else ():
            report.leave_out(kind, lacking)
        if not lacking:
            await do(job)
    return report
