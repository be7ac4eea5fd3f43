"""The gateway's database as an import leaves it."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.db.engine import open_engine
from app.db.models import Base
from app.db.session import Database
from app.db.voyage_source import open_voyage
from app.providers.registry import Registry, build_registry
from app.secret import Secret
from app.vault import Binding, Vault
from app.voyage_import import ImportReport, Kind, Limits, Outcome, import_voyage
from tests.voyage_import.voyage import Voyage

on_both_databases = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
Dump = dict[str, list[dict[str, Any]]]
ORDER = list(Outcome)


async def run(
    voyage: Voyage,
    database: Database,
    *,
    limits: Limits | None = None,
    dry_run: bool = False,
    registry: Registry | None = None,
) -> ImportReport:
    """Import with Voyage's own key and nothing else."""
    vault, registry = vault_of(voyage), registry or build_registry({})
    async with open_voyage(voyage.url) as source:
        return await import_voyage(source, database, vault=vault, registry=registry, limits=limits, dry_run=dry_run)


def counts(report: ImportReport, kind: Kind) -> tuple[int, ...]:
    """Give imported, unchanged, unreadable and skipped rows."""
    return tuple(report.count(kind, outcome) for outcome in ORDER)


def reasons(report: ImportReport, kind: Kind) -> dict[str, int]:
    plain = {outcome.value for outcome in Outcome}
    return {name: count for name, count in report.counts(kind).items() if name not in plain}


async def dump(url: str) -> Dump:
    """Give every row of every table, as the columns' types read it."""
    engine = open_engine(url)
    try:
        async with engine.connect() as connection:
            found: Dump = {}
            for table in Base.metadata.sorted_tables:
                rows = await connection.execute(select(table).order_by(*table.primary_key.columns))
                found[table.name] = [dict(row) for row in rows.mappings()]
            return found
    finally:
        await engine.dispose()


def vault_of(voyage: Voyage) -> Vault:
    return Vault.from_config(None, Secret(voyage.fernet_key.decode()))


def opened_keys(dumped: Dump, vault: Vault) -> dict[UUID, str]:
    """Open every stored key with what its row says about itself."""
    keys: dict[UUID, str] = {}
    for row in dumped["credentials"]:
        binding = Binding(row_id=row["id"], user_id=row["user_id"], provider=row["provider"], origin=row["origin"])
        keys[row["id"]] = vault.open(row["sealed"], binding).reveal()
    return keys


def without_seals(dumped: Dump) -> Dump:
    """Leave out what is random each time a key is sealed."""
    credentials = [{name: row[name] for name in row if name != "sealed"} for row in dumped["credentials"]]
    return dumped | {"credentials": credentials}


def told(dumped: Dump) -> dict[UUID, list[UUID]]:
    """Give the ids of the messages of each conversation, in their order, after checking its numbers."""
    found: dict[UUID, list[UUID]] = {row["id"]: [] for row in dumped["conversations"]}
    numbers: dict[UUID, list[int]] = {row["id"]: [] for row in dumped["conversations"]}
    for row in sorted(dumped["messages"], key=lambda row: row["seq"]):
        found[row["conversation_id"]].append(row["id"])
        numbers[row["conversation_id"]].append(row["seq"])
    for row in dumped["conversations"]:
        assert numbers[row["id"]] == list(range(1, row["next_seq"]))
    return found
