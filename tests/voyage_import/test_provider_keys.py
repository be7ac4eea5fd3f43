from uuid import UUID, uuid4

import pytest

from app.config_file import ProviderTable
from app.db.credentials import delete_credential, find_credential, put_credential
from app.db.models import Credential
from app.db.session import Database
from app.db.voyage_source import open_voyage
from app.errors import CredentialUnreadable
from app.providers.registry import Registry, build_registry
from app.runs.credentials import open_api_key
from app.secret import Secret
from app.vault import Binding, Sealed, Vault, generate_key, mask
from app.voyage_import import ImportReport, Kind, Limits, import_voyage
from tests.voyage_import.target import counts, on_both_databases, reasons, run, vault_of
from tests.voyage_import.voyage import Voyage, at

FIRST, SECOND = "sk-planted-first-key-0001", "sk-planted-second-key-0002"
REGISTRY = build_registry({})


async def put_here(
    database: Database, vault: Vault, user_id: str, provider: str, key: str, *, minutes: float, id_: UUID | None = None
) -> UUID:
    """Store a key as the settings page does."""
    secret, origin = Secret(key), REGISTRY.providers[provider].origin

    def seal(row_id: UUID) -> Sealed:
        return vault.seal(secret, Binding(row_id=row_id, user_id=user_id, provider=provider, origin=origin))

    async with database.write() as session:
        row = await put_credential(
            session,
            user_id=user_id,
            provider=provider,
            origin=origin,
            new_id=id_ or uuid4(),
            seal=seal,
            mask=mask(secret),
            fingerprint=vault.fingerprint(secret),
            now=at(minutes),
        )
    return row.id


async def stored(database: Database, user_id: str, provider: str) -> Credential | None:
    async with database.read() as session:
        return await find_credential(session, user_id=user_id, provider=provider)


async def used(database: Database, vault: Vault, user_id: str, provider: str, registry: Registry = REGISTRY) -> str:
    """Give the key that a run of this user would use."""
    row = await stored(database, user_id, provider)
    secret = open_api_key(
        vault, row, user_id=user_id, provider=registry.providers[provider], instance_key=None, model=None
    )
    return secret.reveal() if secret is not None else ""


@on_both_databases
async def test_an_imported_key_is_used_for_its_provider_and_sealed_with_the_master_key(
    voyage: Voyage, database: Database
) -> None:
    id_ = await voyage.key(await voyage.user(2**40), " LlmProviders.OpenAI ", f" {FIRST}\n")
    master = generate_key()
    vault = Vault.from_config(Secret(master), Secret(voyage.fernet_key.decode()))

    async with open_voyage(voyage.url) as source:
        report = await import_voyage(source, database, vault=vault, registry=REGISTRY)

    row = await stored(database, str(2**40), "openai")
    assert row is not None
    assert (row.id, row.kid, row.mask) == (id_, master.partition(":")[0], "sk-********001")
    assert row.fingerprint == vault.fingerprint(Secret(FIRST))
    assert await used(database, vault, str(2**40), "openai") == FIRST
    assert counts(report, Kind.KEYS) == (1, 0, 0, 0)


async def test_of_two_names_for_one_provider_the_newest_readable_key_wins(voyage: Voyage, database: Database) -> None:
    for user in (1, 2, 3):
        await voyage.user(user)
    await voyage.key(1, "openai", FIRST, changed=1)
    await voyage.key(1, "llmproviders.openai", SECOND, changed=2)
    await voyage.key(1, "OpenAI", "", changed=3, token="gAAAA-damaged")
    await voyage.key(2, "openai", SECOND, changed=2)
    await voyage.key(2, "OPENAI", FIRST, changed=1)
    await voyage.key(3, "openai", FIRST, changed=9)

    report = await run(voyage, database, limits=Limits(rows=1))
    again = await run(voyage, database, limits=Limits(rows=2))

    vault = vault_of(voyage)
    assert [await used(database, vault, user, "openai") for user in ("1", "2", "3")] == [SECOND, SECOND, FIRST]
    assert counts(report, Kind.KEYS) == (3, 0, 1, 2)
    assert counts(again, Kind.KEYS) == (0, 3, 1, 2)
    assert reasons(report, Kind.KEYS) == reasons(again, Kind.KEYS) | {
        "skipped, the same user has a newer key for the same provider": 2,
        "unreadable, not encrypted with this FIELD_ENCRYPTION_KEY, or damaged": 1,
    }


@on_both_databases
async def test_a_key_that_is_newer_here_stays_and_an_older_one_is_replaced_in_its_row(
    voyage: Voyage, database: Database
) -> None:
    vault = vault_of(voyage)
    newer = await put_here(database, vault, "1", "openai", SECOND, minutes=20)
    older = await put_here(database, vault, "2", "openai", SECOND, minutes=20)
    await voyage.key(await voyage.user(1), "openai", FIRST, changed=10)
    await voyage.key(await voyage.user(2), "openai", FIRST, changed=30)

    report = await run(voyage, database)

    assert [await used(database, vault, user, "openai") for user in ("1", "2")] == [SECOND, FIRST]
    kept = [await stored(database, user, "openai") for user in ("1", "2")]
    assert [row.id for row in kept if row] == [newer, older]
    assert reasons(report, Kind.KEYS) == {"skipped, newer here": 1}
    assert counts(await run(voyage, database), Kind.KEYS) == (0, 1, 0, 1)


async def test_a_key_deleted_here_does_not_come_back_even_when_voyage_changes_it(
    voyage: Voyage, database: Database
) -> None:
    id_ = await voyage.key(await voyage.user(1), "openai", FIRST)
    await run(voyage, database)
    async with database.write() as session:
        await delete_credential(session, user_id="1", credential_id=id_)
    token = voyage.fernet.encrypt(SECOND.encode()).decode()
    await voyage.execute("UPDATE integrations_userapikey SET encrypted_api_key = $1, updated_at = $2", token, at(9))

    report = await run(voyage, database)

    assert reasons(report, Kind.KEYS) == {"skipped, deleted here": 1}
    assert await stored(database, "1", "openai") is None


async def test_a_key_changed_in_voyage_since_replaces_the_imported_one(voyage: Voyage, database: Database) -> None:
    id_ = await voyage.key(await voyage.user(1), "openai", FIRST)
    await run(voyage, database)
    token = voyage.fernet.encrypt(SECOND.encode()).decode()
    await voyage.execute("UPDATE integrations_userapikey SET encrypted_api_key = $1, updated_at = $2", token, at(9))

    report = await run(voyage, database)

    row = await stored(database, "1", "openai")
    assert row is not None
    assert (row.id, row.updated_at) == (id_, at(9))
    assert await used(database, vault_of(voyage), "1", "openai") == SECOND
    assert counts(report, Kind.KEYS) == (1, 0, 0, 0)


async def test_an_id_of_somebody_elses_key_is_left_to_them_and_ones_own_gets_a_new_one(
    voyage: Voyage, database: Database
) -> None:
    vault = vault_of(voyage)
    foreign = await voyage.key(await voyage.user(1), "openai", FIRST)
    own = await voyage.key(await voyage.user(2), "openai", FIRST)
    await put_here(database, vault, "ann", "openai", SECOND, minutes=-1, id_=foreign)
    await put_here(database, vault, "2", "groq", SECOND, minutes=-1, id_=own)

    report = await run(voyage, database)

    assert reasons(report, Kind.KEYS) == {"skipped, its id belongs to another user here": 1}
    assert await used(database, vault, "ann", "openai") == SECOND
    assert await used(database, vault, "2", "groq") == SECOND
    assert await used(database, vault, "2", "openai") == FIRST
    assert counts(await run(voyage, database), Kind.KEYS) == (0, 1, 0, 1)


IMPOSSIBLE = {
    "sk-with a space": "a key has only visible ASCII characters and no spaces or line breaks",
    "sk-\u200bhidden-character": "a key has only visible ASCII characters and no spaces or line breaks",
    "x" * 513: "a key has 1 to 512 characters",
    "": "not encrypted with this FIELD_ENCRYPTION_KEY, or damaged",
}


async def test_impossible_keys_are_counted_by_reason(voyage: Voyage, database: Database) -> None:
    for number, key in enumerate(IMPOSSIBLE):
        await voyage.key(await voyage.user(number + 1), "openai", key)
    await voyage.key(1, "llmproviders.", FIRST)
    await voyage.key(1, "İ" * 99, FIRST)  # grows when it becomes lower case

    report = await run(voyage, database)

    expected = {"unreadable, no usable name of a provider": 2}
    for reason in IMPOSSIBLE.values():
        name = f"unreadable, {reason}"
        expected[name] = expected.get(name, 0) + 1
    assert reasons(report, Kind.KEYS) == expected
    assert counts(report, Kind.KEYS) == (0, 0, 6, 0)


@pytest.mark.parametrize("master", [None, generate_key()], ids=["no key", "a master key"])
async def test_without_voyages_key_all_else_is_imported_and_the_keys_in_a_later_run(
    voyage: Voyage, database: Database, master: str | None
) -> None:
    await voyage.conversation(await voyage.user(1))
    await voyage.key(1, "openai", FIRST)
    vault = Vault.from_config(Secret(master), None) if master else None

    async def without() -> ImportReport:
        async with open_voyage(voyage.url) as source:
            return await import_voyage(source, database, vault=vault, registry=REGISTRY)

    report = await without()

    assert counts(report, Kind.CONVERSATIONS) == (1, 0, 0, 0)
    assert reasons(report, Kind.KEYS) == {"unreadable, FIELD_ENCRYPTION_KEY is not set": 1}
    assert counts(await run(voyage, database), Kind.KEYS) == (1, 0, 0, 0)
    assert counts(await without(), Kind.KEYS) == (0, 1, 0, 0)


def with_own(api_base: str) -> Registry:
    return build_registry({"own": ProviderTable(api_base=api_base, models=["one"])})


@on_both_databases
async def test_a_key_imported_before_its_provider_was_known_is_usable_after_another_import(
    voyage: Voyage, database: Database
) -> None:
    vault, registry = vault_of(voyage), with_own("https://one.example/v1")
    id_ = await voyage.key(await voyage.user(1), "own", FIRST)
    unknown = await run(voyage, database)
    assert reasons(unknown, Kind.KEYS) == {"imported, for a provider that is not known here": 1}

    tried = await run(voyage, database, registry=registry, dry_run=True)
    with pytest.raises(CredentialUnreadable):
        await used(database, vault, "1", "own", registry)
    report = await run(voyage, database, registry=registry)
    again = await run(voyage, database, registry=registry)

    found = {"imported, sealed for its provider, which was not known here before": 1}
    assert reasons(tried, Kind.KEYS) == reasons(report, Kind.KEYS) == found
    assert (counts(report, Kind.KEYS), counts(again, Kind.KEYS)) == ((1, 0, 0, 0), (0, 1, 0, 0))
    assert reasons(again, Kind.KEYS) == {}
    assert await used(database, vault, "1", "own", registry) == FIRST
    row = await stored(database, "1", "own")
    assert row is not None
    assert (row.id, row.updated_at) == (id_, at(0))
    assert counts(await run(voyage, database), Kind.KEYS) == (0, 1, 0, 0)  # no longer known: nothing to seal it for
    kept = await stored(database, "1", "own")
    assert kept is not None
    assert kept.sealed == row.sealed


@on_both_databases
async def test_a_key_follows_its_provider_to_no_other_address(voyage: Voyage, database: Database) -> None:
    one, two = with_own("https://one.example/v1"), with_own("https://two.example/v1")
    await voyage.key(await voyage.user(1), "own", FIRST)
    await run(voyage, database, registry=one)
    before = await stored(database, "1", "own")

    tried = await run(voyage, database, registry=two, dry_run=True)
    report = await run(voyage, database, registry=two)

    moved = {"skipped, its provider has another address here now, so its owner has to enter it again": 1}
    assert reasons(tried, Kind.KEYS) == reasons(report, Kind.KEYS) == moved
    after = await stored(database, "1", "own")
    assert before is not None
    assert after is not None
    assert (after.sealed, after.origin) == (before.sealed, before.origin)
    with pytest.raises(CredentialUnreadable):
        await used(database, vault_of(voyage), "1", "own", two)
    assert counts(await run(voyage, database, registry=one), Kind.KEYS) == (0, 1, 0, 0)
    assert await used(database, vault_of(voyage), "1", "own", one) == FIRST


@on_both_databases
async def test_a_key_changed_here_since_its_import_is_not_sealed_for_another_address(
    voyage: Voyage, database: Database
) -> None:
    await voyage.key(await voyage.user(1), "openai", FIRST)
    await run(voyage, database)
    await put_here(database, vault_of(voyage), "1", "openai", SECOND, minutes=5)
    moved = build_registry({"openai": ProviderTable(api_base="https://elsewhere.example/v1")})

    report = await run(voyage, database, registry=moved)

    assert (counts(report, Kind.KEYS), reasons(report, Kind.KEYS)) == ((0, 1, 0, 0), {})
    assert await used(database, vault_of(voyage), "1", "openai") == SECOND
    with pytest.raises(CredentialUnreadable):
        await used(database, vault_of(voyage), "1", "openai", moved)
