"""What is decided before a run begins: the route, the key, the caps; and what is refused."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from app.db import credentials
from app.db.session import Database
from app.errors import (
    ConversationBusy,
    CredentialUnreadable,
    GatewayError,
    InvalidModelForProvider,
    MissingCredential,
    NotFound,
    ProviderNotAvailable,
    ServerShutdown,
    StorageUnavailable,
    TooManyRuns,
)
from app.runs.credentials import InstanceKey
from app.runs.hub import RunHub
from app.secret import Secret
from app.vault import Binding
from tests.runs.desk import KEYLESS, LIMITS, NOON, PROVIDER, Desk, ending, open_desk, without_runs
from tests.runs.scripted import Pause, ScriptedClient, words


async def put_key(desk: Desk, *, origin: str, provider: str = "acme") -> None:
    def seal(row_id: UUID) -> object:
        binding = Binding(row_id=row_id, user_id="ada", provider=provider, origin=origin)
        assert desk.runner.vault is not None
        return desk.runner.vault.seal(Secret("sk-ada-own"), binding)

    async with desk.database.write() as session:
        await credentials.put_credential(
            session,
            user_id="ada",
            provider=provider,
            origin=origin,
            new_id=UUID(int=0xCE),
            seal=seal,  # pyright: ignore[reportArgumentType]  # kept short
            mask="****",
            fingerprint="f",
            now=NOON,
        )


class TestRefusals:
    """What fails with an HTTP status stores nothing and makes no event."""

    async def refused(self, desk: Desk, kind: type[GatewayError], **fields: Any) -> GatewayError:
        with pytest.raises(kind) as caught:
            await desk.send(**fields)
        await desk.idle()
        assert list(await desk.stored()) == []
        assert desk.client.requests == []
        return caught.value

    async def test_unknown_provider(self, database: Database) -> None:
        async with open_desk(database, ScriptedClient([])) as desk:
            await self.refused(desk, ProviderNotAvailable, provider="nobody")

    async def test_a_model_of_somebody_else(self, database: Database) -> None:
        async with open_desk(database, ScriptedClient([])) as desk:
            await self.refused(desk, InvalidModelForProvider, model="other/other-1")

    async def test_unknown_conversation(self, database: Database) -> None:
        async with open_desk(database, ScriptedClient([])) as desk:
            await self.refused(desk, NotFound, conversation_id=UUID(int=7))

    async def test_somebody_elses_conversation(self, database: Database) -> None:
        async with open_desk(database, ScriptedClient([])) as desk:
            await self.refused(desk, NotFound, user_id="eve")

    async def test_no_key(self, database: Database) -> None:
        async with open_desk(database, ScriptedClient([])) as desk:
            error = await self.refused(desk, MissingCredential, provider="other")

        assert error.sentence == "No API key found for provider: Other. Please add one in Settings."

    async def test_a_key_for_another_base_url_never_falls_back(self, database: Database) -> None:
        async with open_desk(database, ScriptedClient([])) as desk:
            await put_key(desk, origin="https://old.example")
            error = await self.refused(desk, CredentialUnreadable)

        assert error.origin.label == "Acme"

    async def test_shutdown(self, database: Database) -> None:
        async with open_desk(database, ScriptedClient([])) as desk:
            desk.hub.begin_shutdown()
            await self.refused(desk, ServerShutdown)

    async def test_a_database_that_fails(self, database: Database, database_url: str) -> None:
        async with open_desk(database, ScriptedClient([])) as desk, without_runs(database_url):
            await self.refused(desk, StorageUnavailable)


async def test_for_a_caller_who_was_told_to_come_back_nothing_is_stored(database: Database) -> None:
    client = ScriptedClient(words("Rome."))
    async with open_desk(database, client, limits=replace(LIMITS, begin_s=0.05)) as desk:
        async with database.write():  # holds the run's own transaction up
            with pytest.raises(StorageUnavailable):
                await desk.send()
        await desk.idle()
        assert (list(await desk.stored()), client.requests) == ([], [])

        assert (await ending(await desk.send()))["type"] == "run.completed", "and the conversation is free"


async def test_a_busy_conversation_names_the_run_in_the_way(database: Database) -> None:
    pause = Pause()
    async with open_desk(database, ScriptedClient([pause, *words("Rome.")])) as desk:
        run = await desk.send()
        with pytest.raises(ConversationBusy) as caught:
            await desk.send()
        pause.release.set()
        await ending(run)

    assert caught.value.run_id == str(run.run_id)


async def test_the_caps_are_kept_for_all_and_for_each(database: Database) -> None:
    pause = Pause()
    hub = RunHub(max_runs=2, max_runs_per_user=1)
    async with open_desk(database, ScriptedClient([pause, *words("Rome.")]), hub=hub) as desk:
        other = UUID(int=77)
        await desk.new_conversations(other)
        run = await desk.send()
        with pytest.raises(TooManyRuns) as caught:
            await desk.send(conversation_id=other)
        pause.release.set()
        await ending(run)
        await desk.idle()
        await ending(await desk.send())

    assert 3 <= (caught.value.retry_after_s or 0) <= 8


async def test_the_callers_own_key_comes_first(database: Database) -> None:
    client = ScriptedClient(words("Rome."))
    async with open_desk(database, client) as desk:
        await put_key(desk, origin="https://acme.example")
        await ending(await desk.send())

    assert client.requests[0].api_key == Secret("sk-ada-own")


async def test_a_provider_without_keys_gets_none(database: Database) -> None:
    client = ScriptedClient(words("Rome."))
    async with open_desk(database, client) as desk:
        await ending(await desk.send(provider=KEYLESS.id))

    assert client.requests[0].api_key is None


@pytest.mark.parametrize(
    ("instance_key", "chosen"),
    [
        (None, ("acme", "acme-1")),
        (InstanceKey(provider="local"), ("local", "acme-1")),
        (InstanceKey(provider="local", model="big"), ("local", "big")),
    ],
)
async def test_the_operators_choice_stands_in_for_the_callers(
    database: Database, instance_key: InstanceKey | None, chosen: tuple[str, str]
) -> None:
    client = ScriptedClient(words("Rome."))
    async with open_desk(database, client, instance_key=instance_key) as desk:
        if instance_key is None:
            await put_key(desk, origin="https://acme.example")
        await ending(await desk.send())

    route = client.requests[0].route
    assert (route.provider.id, route.model) == chosen


async def test_the_operators_model_is_for_its_own_provider(database: Database) -> None:
    client = ScriptedClient(words("Rome."))
    async with open_desk(database, client, instance_key=InstanceKey(provider="acme", model="big")) as desk:
        await ending(await desk.send(provider="local"))

    assert client.requests[0].route.model == PROVIDER.default_model
