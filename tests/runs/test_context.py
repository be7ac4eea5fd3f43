"""What the run reads at Voyage before it asks the model."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from app.runs.context import gather
from app.secret import Secret
from app.voyage.client import VoyageClient
from app.voyage.preferences import Preferences
from app.voyage.trips import Trip
from tests.voyage.fake import COLLECTIONS, PREFERENCES, FakeVoyage, Trouble

WISHES = Preferences(interests=("hiking",))


@pytest.fixture
async def voyage() -> AsyncIterator[FakeVoyage]:
    async with FakeVoyage() as running:
        running.preferences[1] = {"interests": ["hiking"]}
        yield running


@pytest.fixture
async def client(voyage: FakeVoyage) -> AsyncIterator[VoyageClient]:
    async with VoyageClient(voyage.base_url) as opened:
        yield opened


class Asking:
    """One person and their trip."""

    def __init__(self, voyage: FakeVoyage, client: VoyageClient) -> None:
        self.session = Secret(voyage.sign_in(1))
        self.trip_id = UUID(voyage.add_trip(1, name="Lisbon Week"))
        self._client = client

    async def gather(
        self, trip_id: UUID | None = None, *, seconds: float = 2.0
    ) -> tuple[Trip | None, Preferences | None]:
        return await gather(self._client, self.session, trip_id or self.trip_id, seconds=seconds)


@pytest.fixture
def asking(voyage: FakeVoyage, client: VoyageClient) -> Asking:
    return Asking(voyage, client)


def unavailable(part: str, reason: str) -> EventDict:
    return {"event": "context_unavailable", "log_level": "warning", "part": part, "reason": reason}


def name_of(trip: Trip | None) -> str | None:
    return trip.name if trip else None


async def test_trip_and_wishes_are_read_at_once(voyage: FakeVoyage, asking: Asking) -> None:
    gate = asyncio.Event()
    voyage.trouble = Trouble.hold(gate)
    reading = asyncio.create_task(asking.gather())
    await voyage.until(lambda: voyage.open_requests == 2)
    gate.set()

    with capture_logs() as lines:
        trip, wishes = await reading

    assert (name_of(trip), wishes) == ("Lisbon Week", WISHES)
    assert lines == []


async def test_without_a_trip_only_the_wishes_are_read(voyage: FakeVoyage, client: VoyageClient) -> None:
    assert await gather(client, Secret(voyage.sign_in(1)), None, seconds=2.0) == (None, WISHES)
    assert [seen.path for seen in voyage.requests] == [PREFERENCES]


async def test_nothing_is_read_without_voyage_or_without_a_session(voyage: FakeVoyage, client: VoyageClient) -> None:
    with capture_logs() as lines:
        assert await gather(None, Secret(voyage.sign_in(1)), uuid4(), seconds=2.0) == (None, None)
        assert await gather(client, None, uuid4(), seconds=2.0) == (None, None)

    assert (voyage.requests, lines) == ([], [])


async def test_what_is_not_theirs_or_not_there_is_no_failure(voyage: FakeVoyage, asking: Asking) -> None:
    voyage.preferences.clear()
    foreign = UUID(voyage.add_trip(2, public=True))

    with capture_logs() as lines:
        assert await asking.gather(foreign) == (None, None)
        assert await asking.gather(uuid4()) == (None, None)

    assert lines == []


@pytest.mark.parametrize(
    ("path", "part", "name", "wishes"),
    [(COLLECTIONS, "trip", None, WISHES), (PREFERENCES, "preferences", "Lisbon Week", None)],
)
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Trouble.hang, "timeout"),
        (Trouble.drip, "timeout"),
        (partial(Trouble.status, 500), "status_500"),
        (Trouble.throttled, "throttled"),
        (Trouble.redirect, "redirected"),
        (Trouble.html, "not_json"),
        (Trouble.cut, "closed"),
        (partial(Trouble.json, "Lisbon"), "unexpected_answer"),
    ],
)
async def test_a_part_that_fails_is_one_line_in_the_log_and_the_other_one_is_used(
    voyage: FakeVoyage,
    asking: Asking,
    path: str,
    part: str,
    name: str | None,
    wishes: Preferences | None,
    trouble: Callable[..., Trouble],
    reason: str,
) -> None:
    voyage.trouble = trouble(path=path)

    with capture_logs() as lines:
        trip, told = await asking.gather(seconds=0.2)

    assert (name_of(trip), told) == (name, wishes)
    assert lines == [unavailable(part, reason)]


async def test_both_have_one_deadline(voyage: FakeVoyage, asking: Asking) -> None:
    voyage.trouble = Trouble.hang()
    began = time.monotonic()

    with capture_logs() as lines:
        assert await asking.gather(seconds=0.3) == (None, None)

    assert 0.29 <= time.monotonic() - began < 0.59
    assert sorted(lines, key=str) == [unavailable("preferences", "timeout"), unavailable("trip", "timeout")]
    await voyage.until(lambda: voyage.open_requests == 0)


async def test_the_deadline_counts_the_wait_for_a_free_connection(
    voyage: FakeVoyage, client: VoyageClient, asking: Asking
) -> None:
    voyage.trouble = Trouble.hang(path="/auth/")
    crowd = [asyncio.create_task(client.get("/auth/", asking.session)) for _ in range(16)]
    await voyage.until(lambda: voyage.open_requests == 16)

    with capture_logs() as lines:
        assert await asking.gather(seconds=0.1) == (None, None)

    assert len(lines) == 2
    for one in crowd:
        one.cancel()
    await asyncio.wait(crowd)


async def test_voyage_gone_is_two_lines(voyage: FakeVoyage, asking: Asking) -> None:
    await voyage.stop()

    with capture_logs() as lines:
        assert await asking.gather() == (None, None)

    assert sorted(lines, key=str) == [unavailable("preferences", "refused"), unavailable("trip", "refused")]


@pytest.mark.parametrize("waited", [True, False])
async def test_being_cancelled_ends_both_readings(voyage: FakeVoyage, asking: Asking, waited: bool) -> None:  # noqa: FBT001 - a parameter of the test
    voyage.trouble = Trouble.hang()
    before = asyncio.all_tasks()
    reading = asyncio.create_task(asking.gather())
    if waited:
        await voyage.until(lambda: voyage.open_requests == 2)
    else:
        await asyncio.sleep(0)
    reading.cancel()

    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await reading

    assert lines == []
    await voyage.until(lambda: voyage.open_requests == 0)
    left = {task for task in asyncio.all_tasks() - before if "fetch" in repr(task) or "_read" in repr(task)}
    assert left == set()
