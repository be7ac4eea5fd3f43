"""Provider keys: opened with Voyage's key and sealed again for their row here, never written down in between."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from app.db.imports import Mark, RowHere, RowsHere, read_credentials, store_rows
from app.db.models import Credential
from app.db.voyage_tables import VoyageKey
from app.errors import ConfigError, CredentialUnreadable
from app.providers.registry import Registry, normalise
from app.secret import Secret, api_key_complaint
from app.vault import Binding, Vault, mask
from app.voyage_import.decision import DELETED_HERE, FOREIGN_ID, NEWER_HERE, Decision
from app.voyage_import.job import Job
from app.voyage_import.report import Kind, Outcome, Verdict
from app.voyage_import.settle import settle

PROVIDER_CHARS: Final = 100
NO_MASTER_KEY: Final = "FIELD_ENCRYPTION_KEY is not set"
NOT_DECRYPTED: Final = "not encrypted with this FIELD_ENCRYPTION_KEY, or damaged"
NO_PROVIDER: Final = "no usable name of a provider"
OLDER_TWIN: Final = "the same user has a newer key for the same provider"
UNKNOWN_PROVIDER: Final = "for a provider that is not known here"
SEALED_ANEW: Final = "sealed for its provider, which was not known here before"
MOVED: Final = "its provider has another address here now, so its owner has to enter it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    row: VoyageKey
    provider: str
    secret: Secret | None
    complaint: str
    """Why there is no secret."""

    @property
    def user_id(self) -> str:
        return str(self.row.user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    marks: Mapping[str, datetime]
    by_id: Mapping[UUID, RowHere]
    by_place: Mapping[tuple[str, str], RowHere]
    """By user and provider."""

    def of(self, opened: _Opened) -> RowHere | None:
        """Give the row that this key is, or would be, here."""
        row = self.by_place.get((opened.user_id, opened.provider)) or self.by_id.get(opened.row.id)
        return row if row is not None and row.user_id == opened.user_id else None


async def import_provider_keys(job: Job) -> None:
    """Import every key that can be opened; raises as `import_conversations` does."""
    async for rows in _users_together(job):
        opened = [_open(row, job.vault) for row in rows]
        job.report.add(await _store(job, opened))


async def _users_together(job: Job) -> AsyncIterator[list[VoyageKey]]:
    """Give the keys in pieces that never part the keys of one user: two of them may mean one provider."""
    piece: list[VoyageKey] = []
    after = None
    while page := await job.source.keys(after=after, limit=job.limits.rows):
        after = page[-1]
        whole = [row for row in page if row.user_id != after.user_id]
        if whole:
            yield piece + whole
            piece = []
        piece += page[len(whole) :]
    if piece:
        yield piece


def _open(row: VoyageKey, vault: Vault | None) -> _Opened:
    provider = normalise(row.provider)
    secret, complaint = None, ""
    if not 0 < len(provider) <= PROVIDER_CHARS:
        complaint = NO_PROVIDER
    elif vault is None:
        complaint = NO_MASTER_KEY
    else:
        try:
            key = vault.open_fernet(row.encrypted_api_key).reveal().strip()
        except ConfigError:
            complaint = NO_MASTER_KEY
        except CredentialUnreadable:
            complaint = NOT_DECRYPTED
        else:
            sentence = api_key_complaint(key).partition(".")[0]
            complaint = sentence[:1].lower() + sentence[1:]
            secret = Secret(key) if not complaint else None
    return _Opened(row=row, provider=provider, secret=secret, complaint=complaint)


async def _store(job: Job, opened: Sequence[_Opened]) -> Sequence[Verdict]:
    ids, users = [each.row.id for each in opened], list({each.user_id for each in opened})
    return await settle(
        job,
        read=partial(read_credentials, kind=Kind.KEYS, ids=ids, user_ids=users),
        decide=lambda found: _decide(job, opened, _here(found)),
        store=partial(store_rows, table=Credential, kind=Kind.KEYS),
    )


def _here(found: RowsHere) -> _Here:
    by_place = {(row.user_id, row.provider): row for row in found.rows}
    return _Here(marks=found.marks, by_id={row.id: row for row in found.rows}, by_place=by_place)


def _decide(job: Job, opened: Sequence[_Opened], here: _Here) -> Decision:
    def usable(each: _Opened) -> bool:
        return each.secret is not None or here.marks.get(str(each.row.id)) == each.row.updated_at

    decision = Decision()
    oldest_first = sorted(filter(usable, opened), key=lambda each: (each.row.updated_at, each.row.id))
    newest = {(each.user_id, each.provider): each for each in oldest_first}
    for each in opened:
        if usable(each) and newest[each.user_id, each.provider] is not each:
            decision.say(Kind.KEYS, Outcome.SKIPPED, each.row.id, OLDER_TWIN)
        else:
            _judge(decision, each, here, job)
    return decision


def _judge(decision: Decision, each: _Opened, here: _Here, job: Job) -> None:
    row, version = here.of(each), here.marks.get(str(each.row.id))
    same = version == each.row.updated_at
    sealed_for = _sealed_for(each, row) if same and each.provider in job.registry.providers else None
    found = sealed_for == "" and each.secret is not None
    outcome, reason = Outcome.SKIPPED, ""
    if version is not None and row is None:
        reason = DELETED_HERE
    elif sealed_for and sealed_for != job.registry.providers[each.provider].origin:
        # It was entered for that host; sealing it for another one would send it where nobody wanted it.
        reason = MOVED
    elif same and not found:
        outcome = Outcome.UNCHANGED
    elif each.secret is None:
        outcome, reason = Outcome.UNREADABLE, each.complaint
    elif row is None and each.row.id in here.by_id:
        reason = FOREIGN_ID
    elif row is not None and row.updated_at > each.row.updated_at:
        reason = NEWER_HERE
    elif job.vault is not None:
        known = "" if each.provider in job.registry.providers else UNKNOWN_PROVIDER
        outcome, reason = Outcome.IMPORTED, SEALED_ANEW if found else known
        _seal(decision, each, each.secret, here, vault=job.vault, registry=job.registry)
    decision.say(Kind.KEYS, outcome, each.row.id, reason)


def _sealed_for(each: _Opened, row: RowHere | None) -> str | None:
    """Give the address that the imported key is bound to, "" for none yet; None where the row was changed here."""
    if row is None or row.provider != each.provider or row.updated_at != each.row.updated_at:
        return None
    return row.origin


def _seal(  # noqa: PLR0913 - the key, where it goes, and what that takes
    decision: Decision, each: _Opened, secret: Secret, here: _Here, *, vault: Vault, registry: Registry
) -> None:
    known = registry.providers.get(each.provider)
    origin = known.origin if known is not None else ""
    old = here.by_place.get((each.user_id, each.provider))
    # Its own id may be that of the user's key for another provider, where one of the two was changed.
    row_id = old.id if old is not None else each.row.id if each.row.id not in here.by_id else uuid4()
    binding = Binding(row_id=row_id, user_id=each.user_id, provider=each.provider, origin=origin)
    sealed = vault.seal(secret, binding)
    row = {
        "id": row_id,
        "origin": origin,
        "sealed": sealed.text,
        "kid": sealed.kid,
        "mask": mask(secret),
        "fingerprint": vault.fingerprint(secret),
        "updated_at": each.row.updated_at,
    }
    if old is None:
        created = {"user_id": each.user_id, "provider": each.provider, "created_at": each.row.created_at}
        decision.rows.new.append(row | created)
    else:
        decision.rows.changed.append(row | {"report": None, "reported_at": None})
    decision.stored_as[str(each.row.id)] = str(row_id)
    decision.rows.marks.append(Mark(source_id=str(each.row.id), version=each.row.updated_at, row_id=row_id))
