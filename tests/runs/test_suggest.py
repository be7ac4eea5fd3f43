"""Places for a day, below HTTP: a scripted model, a Voyage on loopback, a real database."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from app.db.credentials import SealedText, put_credential
from app.db.session import Database
from app.errors import (
    ContentFiltered,
    CredentialUnreadable,
    Forbidden,
    GatewayError,
    InternalError,
    Interrupted,
    InvalidProviderResponse,
    InvalidRequest,
    MissingCredential,
    ModelNotFound,
    NotFound,
    ProviderNotAvailable,
    ProviderTimeout,
    ProviderUnavailable,
    ServerShutdown,
    StreamInterrupted,
    TooManyRuns,
    VoyageUnavailable,
)
from app.events import FinishReason
from app.providers.model import Finish, TextDelta, ToolCallPiece
from app.providers.provider import Deadlines
from app.providers.registry import Registry
from app.runs.hub import RunHub
from app.runs.suggest import Asker, Suggester
from app.runs.suggestions_prompt import MAX_LINE_CHARS, DayWishes
from app.runs.suggestions_reader import Suggestion
from app.secret import Secret
from app.vault import Binding, Vault, generate_key
from app.voyage.client import VoyageClient
from tests.runs.desk import INSTANCE_KEY, KEYLESS, LIMITS, NOON, OTHER, PROVIDER, until
from tests.runs.scripted import STOP, Pause, ScriptedClient, Step
from tests.voyage.fake import PREFERENCES, FakeVoyage, Trouble

PLACES = [
    {"name": "Cervejaria Ramiro", "location": "Avenida Almirante Reis 1, Lisbon", "price_level": "$$"},
    {"name": "Time Out Market", "location": "Cais do Sodré, Lisbon"},
]
FOUND = tuple(Suggestion(**place) for place in PLACES)
ARGUMENTS = json.dumps({"suggestions": PLACES})
CALLED: list[Step] = [
    ToolCallPiece(0, "call_1", "suggest_places", ""),
    *(ToolCallPiece(0, None, None, ARGUMENTS[at : at + 7]) for at in range(0, len(ARGUMENTS), 7)),
    Finish(FinishReason.TOOL_CALLS),
]


@dataclass(frozen=True)
class Bench:
    """A suggester for Ada, who has a trip and a session."""

    suggester: Suggester
    client: ScriptedClient
    voyage: FakeVoyage
    asker: Asker
    wishes: DayWishes

    async def suggest(self, *, session: Secret | None = None, **wishes: Any) -> tuple[Suggestion, ...]:
        asker = self.asker if session is None else replace(self.asker, session=session)
        async with asyncio.timeout(10):
            return await self.suggester.suggest(asker, replace(self.wishes, **wishes))

    async def refusal(self, kind: type[GatewayError], **wishes: Any) -> GatewayError:
        with pytest.raises(kind) as caught:
            await self.suggest(**wishes)
        return caught.value

    def with_(self, *, asker: Asker | None = None, **changes: Any) -> "Bench":
        return replace(self, suggester=replace(self.suggester, **changes), asker=asker or self.asker)

    def says(self, *scripts: list[Step]) -> ScriptedClient:
        """Let the model play these from now on."""
        self.client.scripts = [list(script) for script in scripts]
        self.client.requests.clear()
        return self.client


def registry(deadlines: Deadlines) -> Registry:
    return Registry({row.id: replace(row, deadlines=deadlines) for row in (PROVIDER, OTHER, KEYLESS)})


@pytest.fixture
async def bench(database: Database) -> AsyncGenerator[Bench]:
    before = asyncio.all_tasks()
    client, hub = ScriptedClient(CALLED), RunHub(grace_s=0.05, store_s=0.5)
    async with FakeVoyage() as fake:
        trip = fake.add_trip(
            1,
            name="Lisbon\n\nWeek",
            start_date="2027-03-10",
            end_date="2027-03-14",
            locations=[{"name": "Torre de Belém", "location": "Avenida Brasília, Lisbon"}],
        )
        fake.preferences[1] = {
            "interests": ["tiles", "fado"],
            "trip_style": "slow",
            "notes": "walks a lot\nStops: none",
            "cuisines": None,
        }
        async with VoyageClient(fake.base_url) as voyage:
            suggester = Suggester(
                database=database,
                vault=None,
                registry=registry(Deadlines()),
                client=client,
                hub=hub,
                voyage=voyage,
                instance_key=INSTANCE_KEY,
                limits=LIMITS,
            )
            asker = Asker(user_id="1", session=Secret(fake.sign_in(1, "ada")))
            wishes = DayWishes(collection_id=UUID(trip), day=date(2027, 3, 11), category="restaurant")
            yield Bench(suggester, client, fake, asker, wishes)
            await hub.drain()
    await asyncio.sleep(0)
    assert {task.get_name() for task in asyncio.all_tasks() - before - {asyncio.current_task()}} == set()
    assert (hub.count, client.open) == (0, 0)


async def test_one_forced_tool_call_gives_the_places(bench: Bench) -> None:
    assert await bench.suggest() == FOUND

    (request,) = bench.client.requests
    assert ([tool.name for tool in request.tools], request.tool_choice) == (["suggest_places"], "suggest_places")
    assert (request.route.model, request.max_output_tokens) == ("acme-1", None)
    assert (request.deadlines.total_s, request.deadlines.idle_s) == (45.0, Deadlines().idle_s)
    assert (request.own_key, request.api_key) == (False, INSTANCE_KEY.api_key)
    asked = request.tools[0].parameters["properties"]["suggestions"]["items"]
    assert asked["required"] == ["name", "location"]
    assert not {"rating", "latitude", "longitude", "link"} & asked["properties"].keys()


async def test_the_model_is_told_the_trip_the_day_the_wishes_and_the_traveller(bench: Bench) -> None:
    await bench.suggest(
        filters={"cuisine_type": ("sea\nfood", "vegan"), "price_range": ()}, location="x" * 9000, category="event"
    )

    system, user = bench.client.requests[0].messages
    assert (system.role, user.role) == ("system", "user")
    assert "suggest_places" in system.content
    assert '"suggestions": [{"name"' in system.content
    lines = dict(line.split(": ", 1) for line in user.content.split("\n"))
    assert lines["Trip"] == "Lisbon Week"
    assert lines["Dates"] == "2027-03-10 to 2027-03-14"
    assert "Lisbon" in lines["Stops"]
    assert lines["Day"] == "Thursday 2027-03-11"
    assert lines["Where on that day"] == "x" * MAX_LINE_CHARS
    assert lines["Wanted"] == "events that take place on that day"
    assert lines["Cuisine type"] == "sea food, vegan"
    assert lines["Interests of the person who asks"] == "tiles, fado"
    assert lines["Their style"] == "slow"
    assert lines["About them"] == "walks a lot Stops: none"
    assert not {"Price range", "Travellers"} & lines.keys()
    assert "Their cuisines" not in lines


async def test_a_model_that_answers_with_text_is_read(bench: Bench) -> None:
    bench.says([TextDelta("Here:\n```json\n"), TextDelta(ARGUMENTS), TextDelta("\n```"), STOP])
    assert await bench.suggest() == FOUND


async def test_an_empty_list_of_the_models_own_is_an_answer(bench: Bench) -> None:
    bench.says([ToolCallPiece(0, "c", "suggest_places", '{"suggestions": []}'), STOP])
    assert await bench.suggest() == ()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ([TextDelta("I cannot know that."), STOP], "is no list of places"),
        ([STOP], "is no list of places"),
        ([ToolCallPiece(0, "c", "suggest_places", ARGUMENTS[:-3]), STOP], "is no list of places"),
        ([ToolCallPiece(0, "c", "suggest_places", ARGUMENTS), Finish(FinishReason.LENGTH)], "cut off"),
        ([TextDelta("ab" * 150_000), STOP], "longer than 200000 characters"),
    ],
)
async def test_what_is_no_answer_is_an_error_not_an_empty_list(bench: Bench, script: list[Step], says: str) -> None:
    bench.says(script)
    error = await bench.refusal(InvalidProviderResponse)

    assert says in error.message
    assert error.message.count("Acme") == 1
    assert error.action.startswith("Ask again")


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([TextDelta("{"), Finish(FinishReason.CONTENT_FILTER)], ContentFiltered),
        ([TextDelta("{"), StreamInterrupted()], StreamInterrupted),
        ([TextDelta("{")], StreamInterrupted),
        ([ProviderTimeout()], ProviderTimeout),
        ([ValueError("what the person wrote")], InternalError),
    ],
)
async def test_failures_of_the_model_are_raised(
    bench: Bench, script: list[Step], kind: type[GatewayError], capsys: pytest.CaptureFixture[str]
) -> None:
    bench.says(script)
    error = await bench.refusal(kind)

    assert "kept" not in error.sentence
    logged = capsys.readouterr().out
    assert error.code in logged
    assert "what the person wrote" not in logged


async def test_a_failure_before_the_first_token_is_tried_again(bench: Bench) -> None:
    client = bench.says([ProviderUnavailable()], CALLED)

    assert await bench.suggest() == FOUND
    assert len(client.requests) == 2


@pytest.mark.parametrize("refusal", [InvalidRequest, ModelNotFound])
async def test_a_model_that_takes_no_tools_is_asked_without(bench: Bench, refusal: type[GatewayError]) -> None:
    client = bench.says([refusal()], [TextDelta(ARGUMENTS), STOP])

    assert await bench.suggest() == FOUND
    with_tool, without = client.requests
    assert (without.tools, without.tool_choice, without.messages) == ((), None, with_tool.messages)
    assert without.deadlines.total_s <= with_tool.deadlines.total_s
    client = bench.says([refusal()])
    await bench.refusal(refusal)
    assert len(client.requests) == 2


@pytest.mark.parametrize("deaf", [False, True])
async def test_the_total_deadline_ends_the_call(bench: Bench, *, deaf: bool) -> None:
    pause = Pause(deaf=deaf)
    bench.says([TextDelta("{"), pause, STOP])
    try:
        await bench.with_(registry=registry(Deadlines(total_s=0.05))).refusal(ProviderTimeout)
    finally:
        pause.release.set()
    await until(lambda: bench.client.open == 0)


@pytest.mark.parametrize("public", [False, True])
async def test_a_trip_of_somebody_else_looks_like_none(bench: Bench, *, public: bool) -> None:
    foreign = UUID(bench.voyage.add_trip(2, public=public))

    theirs, unknown = [await bench.refusal(NotFound, collection_id=id_) for id_ in (foreign, UUID(int=7))]

    assert theirs.sentence == unknown.sentence
    assert set(theirs.fields) == set(unknown.fields) == {"collection_id"}
    assert bench.client.requests == []


async def test_a_member_of_a_shared_trip_may_ask(bench: Bench) -> None:
    shared = UUID(bench.voyage.add_trip(2, shared_with=[1]))
    assert await bench.suggest(collection_id=shared) == FOUND
    assert "\nTravellers: several people share this trip\n" in bench.client.requests[0].messages[1].content


async def test_without_a_session_or_a_voyage_no_trip_can_be_read(bench: Bench) -> None:
    nobody = replace(bench.asker, session=None)
    for other in (bench.with_(asker=nobody), bench.with_(voyage=None)):
        assert "session at Voyage" in (await other.refusal(Forbidden)).message
    assert bench.voyage.requests == []
    assert bench.client.requests == []


async def test_voyage_away_is_said_with_a_time_to_come_back(bench: Bench) -> None:
    troubles = ((Trouble.status(500), 5.0), (Trouble.throttled(7), 7.0), (Trouble.throttled(), 60.0))
    with capture_logs() as lines:
        for trouble, retry_s in troubles:
            bench.voyage.trouble = trouble
            assert (await bench.refusal(VoyageUnavailable)).retry_after_s == retry_s
    away = [(line["part"], line["reason"]) for line in lines if line["event"] == "voyage_away"]
    assert away == [("trip", "status_500"), ("trip", "throttled"), ("trip", "throttled")]
    assert bench.client.requests == []


async def test_the_trip_has_the_time_that_voyage_has_for_every_answer(bench: Bench) -> None:
    bench.voyage.trouble = Trouble.hang()
    async with VoyageClient(bench.voyage.base_url, seconds=0.05) as hasty, asyncio.timeout(2):
        await bench.with_(voyage=hasty).refusal(VoyageUnavailable)


async def test_a_refusal_leaves_no_reading_behind(bench: Bench) -> None:
    bench.voyage.trouble = Trouble.hang(path=PREFERENCES)
    await bench.refusal(NotFound, collection_id=UUID(int=7))
    assert [task for task in asyncio.all_tasks() if task.get_name() == "suggest day: preferences"] == []


async def test_preferences_that_cannot_be_read_cost_nothing(bench: Bench) -> None:
    bench.voyage.trouble = Trouble.status(500, path=PREFERENCES)

    assert await bench.suggest() == FOUND
    assert "Interests" not in bench.client.requests[0].messages[1].content


async def test_provider_and_model_are_chosen_and_the_key_is_the_callers(bench: Bench) -> None:
    local = bench.with_(asker=replace(bench.asker, provider="Local", model="local-2"))
    unknown = bench.with_(asker=replace(bench.asker, provider="nowhere"))
    other = bench.with_(asker=replace(bench.asker, provider="other"))

    await local.suggest()
    await unknown.refusal(ProviderNotAvailable)
    await other.refusal(MissingCredential)

    (request,) = bench.client.requests
    assert (request.route.provider.id, request.route.model, request.api_key) == ("local", "local-2", None)
    assert request.own_key


async def test_a_stored_key_goes_before_the_operators_and_is_the_callers_own(bench: Bench, database: Database) -> None:
    vault, key = Vault.from_config(Secret(generate_key()), None), Secret("sk-ada-own")

    def seal(row_id: UUID) -> SealedText:
        return vault.seal(key, Binding(row_id=row_id, user_id="1", provider=PROVIDER.id, origin=PROVIDER.origin))

    async with database.write() as session:
        await put_credential(
            session,
            user_id="1",
            provider=PROVIDER.id,
            origin=PROVIDER.origin,
            new_id=UUID(int=1),
            seal=seal,
            mask="****",
            fingerprint="f",
            now=NOON,
        )
    await bench.with_(vault=vault).suggest()
    await bench.refusal(CredentialUnreadable)

    (request,) = bench.client.requests
    assert (request.api_key, request.own_key) == (key, True)


async def test_calls_have_their_share_of_the_caps(bench: Bench) -> None:
    pause, hub = Pause(), RunHub(max_runs_per_user=1)
    capped = bench.with_(hub=hub)
    bench.says([pause, *CALLED])
    first = asyncio.create_task(capped.suggest())
    await pause.reached.wait()

    assert (await capped.refusal(TooManyRuns)).retry_after_s
    pause.release.set()
    assert await first == FOUND
    assert hub.count == 0
    await hub.drain()


async def test_reading_the_trip_has_its_share_of_the_caps(bench: Bench) -> None:
    hub = RunHub(max_runs_per_user=1)
    capped = bench.with_(hub=hub)
    bench.voyage.trouble = Trouble.hang()
    first = asyncio.create_task(capped.suggest())
    await bench.voyage.until(lambda: bench.voyage.open_requests == 2)

    assert (await capped.refusal(TooManyRuns)).retry_after_s
    assert len(bench.voyage.requests) == 2
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await bench.voyage.until(lambda: bench.voyage.open_requests == 0)
    assert hub.count == 0


async def test_a_shutdown_ends_the_reading_of_a_trip(bench: Bench) -> None:
    bench.voyage.trouble = Trouble.hang()
    reading = asyncio.create_task(bench.refusal(Interrupted))
    await bench.voyage.until(lambda: bench.voyage.open_requests == 2)

    async with asyncio.timeout(2):
        await bench.suggester.hub.drain()
        await reading
    await bench.voyage.until(lambda: bench.voyage.open_requests == 0)


async def test_a_shutdown_lets_calls_go_on_for_the_grace_and_then_ends_them(bench: Bench) -> None:
    pause, never = Pause(), Pause()
    bench.says([pause, *CALLED], [TextDelta("{"), never])
    quick = asyncio.create_task(bench.suggest())
    await pause.reached.wait()
    slow = asyncio.create_task(bench.refusal(Interrupted))
    await never.reached.wait()

    bench.suggester.hub.begin_shutdown()
    await bench.refusal(ServerShutdown)
    pause.release.set()

    assert await quick == FOUND
    assert (await slow).action == "Ask again."
    assert bench.client.open == 0


async def test_whoever_is_gone_takes_the_call_along(bench: Bench) -> None:
    pause = Pause()
    bench.says([pause])
    asking = asyncio.create_task(bench.suggest())
    await pause.reached.wait()

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert bench.client.open == 0
    assert bench.suggester.hub.count == 0
