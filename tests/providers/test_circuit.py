"""The circuits, with a clock that is moved by hand."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ContextLengthExceeded,
    GatewayError,
    InsufficientCredits,
    InvalidRequest,
    ModelNotFound,
    Origin,
    PermissionDenied,
    ProviderInternalError,
    ProviderOverloaded,
    ProviderResting,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
    RateLimited,
    all_errors,
)
from app.providers.circuit import CircuitPolicy, Circuits, Pass, Rest, Verdict
from app.providers.circuit_client import CircuitClient, verdict_of
from app.providers.model import Delta, ModelRequest, TextDelta
from app.providers.provider import Lane, Provider, Route, Wire
from app.providers.target import Target, target_of
from tests.runs.scripted import ScriptedClient, Step, words

TARGET = Target("acme", "https://acme.example", Wire.OPENAI_CHAT)
POLICY = CircuitPolicy(failures=3, window_s=10.0, first_pause_s=4.0, longest_pause_s=10.0, max_targets=2)
PROVIDER = Provider(id="acme", label="Acme", api_base="https://acme.example/v1", default_model=None)
ROUTE = Route(provider=PROVIDER, model="m", wire=Wire.OPENAI_CHAT, base_url="https://acme.example/v1", lane=Lane.NATIVE)


class Time:
    """A clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def ask(circuits: Circuits, target: Target = TARGET) -> Pass:
    held = circuits.ask(target)
    assert isinstance(held, Pass)
    return held


def fail(circuits: Circuits, times: int, target: Target = TARGET) -> None:
    for _ in range(times):
        circuits.tell(ask(circuits, target), Verdict.FAILED)


def test_it_opens_probes_once_and_closes() -> None:
    time = Time()
    circuits = Circuits(POLICY, monotonic=time)
    fail(circuits, 3)
    assert circuits.ask(TARGET) == Rest(TARGET, 3, 4.0)
    time.now += 4.0

    probe = ask(circuits)
    assert circuits.ask(TARGET) == Rest(TARGET, 3, POLICY.probe_wait_s), "one call finds out for all"
    circuits.tell(probe, Verdict.ANSWERED)

    assert (ask(circuits).probes, len(circuits), circuits.resting()) == (False, 0, [])


def test_each_failed_probe_doubles_the_pause_up_to_its_end() -> None:
    time = Time()
    circuits = Circuits(POLICY, monotonic=time)
    fail(circuits, 3)
    pauses: list[float] = []
    for _ in range(3):
        (rest,) = circuits.resting()
        pauses.append(rest.retry_after_s)
        time.now += rest.retry_after_s
        fail(circuits, 1)

    assert pauses == [4.0, 8.0, 10.0]


def test_failures_far_apart_or_with_an_answer_between_open_nothing() -> None:
    time = Time()
    circuits = Circuits(POLICY, monotonic=time)
    for _ in range(9):
        fail(circuits, 1)
        time.now += 5.1
    circuits.tell(ask(circuits), Verdict.ANSWERED)
    fail(circuits, 2)
    circuits.tell(ask(circuits), Verdict.NEITHER)

    assert isinstance(circuits.ask(TARGET), Pass)


def test_a_probe_that_finds_nothing_out_leaves_its_place_to_the_next() -> None:
    time = Time()
    circuits = Circuits(POLICY, monotonic=time)
    fail(circuits, 3)
    time.now += 4.0
    circuits.tell(ask(circuits), Verdict.NEITHER)

    assert ask(circuits).probes


def test_one_target_is_not_another() -> None:
    circuits = Circuits(POLICY, monotonic=Time())
    fail(circuits, 3)

    for other in (TARGET._replace(provider="b"), TARGET._replace(place="b"), TARGET._replace(wire=Wire.GEMINI)):
        assert isinstance(circuits.ask(other), Pass)


def test_no_more_than_so_many_are_remembered() -> None:
    circuits = Circuits(POLICY, monotonic=Time())
    for number in range(50):
        fail(circuits, 1, TARGET._replace(place=str(number)))

    assert len(circuits) == POLICY.max_targets


def test_it_can_be_switched_off() -> None:
    circuits = Circuits(CircuitPolicy(failures=0), monotonic=Time())
    fail(circuits, 100)

    assert len(circuits) == 0


class Machine(RuleBasedStateMachine):
    """Whatever comes in whatever order: an open circuit lets nobody through, a due one exactly one."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.circuits = Circuits(POLICY, monotonic=self.time)
        self.out: list[Pass] = []
        self.row = 0
        """Failures since the last answer."""

    @rule()
    def ask(self) -> None:
        was = self.circuits.resting()
        held = self.circuits.ask(TARGET)
        assert isinstance(held, Rest) == bool(was)
        if isinstance(held, Pass):
            self.out.append(held)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), verdict=st.sampled_from(Verdict))
    def tell(self, data: st.DataObject, verdict: Verdict) -> None:
        held = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        before = self.circuits.resting()
        self.circuits.tell(held, verdict)
        self.row = {Verdict.ANSWERED: 0, Verdict.FAILED: self.row + 1, Verdict.NEITHER: self.row}[verdict]
        after = self.circuits.resting()
        if verdict is Verdict.ANSWERED:
            assert after == []
        if after and not before:
            assert verdict is Verdict.FAILED
            assert self.row >= POLICY.failures

    @rule(seconds=st.sampled_from([0.5, 3.0, 4.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.time.now += seconds

    @invariant()
    def holds(self) -> None:
        assert len(self.circuits) <= 1
        assert sum(held.probes for held in self.out) <= 1 + self.row, "a probe more only after an answer"
        for rest in self.circuits.resting():
            assert 0 < rest.retry_after_s <= POLICY.longest_pause_s
            assert rest.failures == self.row


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase

BROKEN = (ProviderUnreachable, ProviderTimeout, ProviderInternalError, ProviderUnavailable, ProviderOverloaded)


@pytest.mark.parametrize("kind", list(all_errors()))
def test_only_what_would_have_met_anybody_counts(kind: type[GatewayError]) -> None:
    assert (verdict_of(kind()) is Verdict.FAILED) == (kind in BROKEN)


def test_the_bad_key_of_a_gateway_itself_does_not_count() -> None:
    assert verdict_of(ProviderInternalError(origin=Origin(upstream_status=401))) is Verdict.NEITHER
    assert verdict_of(ProviderInternalError(origin=Origin(upstream_status=500))) is Verdict.FAILED


def request(route: Route = ROUTE) -> ModelRequest:
    return ModelRequest(route=route, api_key=None, messages=())


async def outcome(client: CircuitClient) -> str:
    try:
        async with client.stream(request()) as deltas:
            async for _ in deltas:
                pass
    except GatewayError as error:
        return type(error).__name__
    return "answered"


def scripts() -> Iterator[list[Step]]:
    mistakes = (AuthenticationFailed, InsufficientCredits, PermissionDenied, ModelNotFound, InvalidRequest)
    for kind in (*mistakes, ContextLengthExceeded, ContentFiltered, RateLimited):
        yield [kind()]


@pytest.mark.parametrize("script", list(scripts()), ids=lambda script: type(script[0]).__name__)
async def test_mistakes_of_callers_never_open_it(script: list[Step]) -> None:
    circuits = Circuits(POLICY, monotonic=Time())
    client = CircuitClient(ScriptedClient(script), circuits)

    told = [await outcome(client) for _ in range(20)]

    assert (set(told), len(circuits)) == ({type(script[0]).__name__}, 0)


async def test_an_open_circuit_answers_without_a_call_and_says_when() -> None:
    time = Time()
    scripted = ScriptedClient(*[[ProviderUnreachable()]] * 3, words("Hi"))
    client = CircuitClient(scripted, Circuits(POLICY, monotonic=time))
    told = [await outcome(client) for _ in range(4)]
    with pytest.raises(ProviderResting, match="Acme has failed 3 times in a row") as raised:
        async with client.stream(request()):
            pass
    time.now += 4.0

    assert told == ["ProviderUnreachable"] * 3 + ["ProviderResting"]
    assert (raised.value.code, raised.value.retry_after_s, raised.value.retryable) == (
        "provider_unavailable",
        4.0,
        True,
    )
    assert "tried again in 4 s" in raised.value.action
    assert [await outcome(client), len(scripted.requests)] == ["answered", 4]


class BreaksOff:
    """Tells that the answer has begun, as the lanes do, and breaks off."""

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        deltas = self._deltas(request)
        try:
            yield deltas
        finally:
            await deltas.aclose()

    async def _deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        request.on_answering()
        yield TextDelta("a")
        raise ProviderTimeout


async def test_what_follows_the_first_piece_opens_nothing() -> None:
    circuits = Circuits(CircuitPolicy(failures=1), monotonic=Time())

    assert await outcome(CircuitClient(BreaksOff(), circuits)) == "ProviderTimeout"
    assert len(circuits) == 0


def test_users_own_addresses_are_told_apart_by_more_than_their_host() -> None:
    own = Provider(id="custom", label="Own", api_base="", default_model=None, own_address=True)
    places = {
        target_of(Route(provider=own, model="m", wire=Wire.OPENAI_CHAT, base_url=url, lane=Lane.NATIVE)).place
        for url in ("https://host.example/a", "https://host.example/b")
    }

    assert places == {"https://host.example/a", "https://host.example/b"}
    assert target_of(ROUTE).place == "https://acme.example"
