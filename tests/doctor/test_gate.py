"""One diagnosis of each user at a time, ten a minute, and few at once for all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.doctor.gate import AT_ONCE, PER_USER, WINDOW_S, Gate, Rate
from app.errors import GatewayRateLimited


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_one_at_a_time_for_each_user() -> None:
    gate = Gate(Rate(monotonic=Hand()))
    with gate.admit("ada"), gate.admit("bob"):
        with pytest.raises(GatewayRateLimited, match="still running") as refused, gate.admit("ada"):
            pass
        assert refused.value.retry_after_s == 5

    with gate.admit("ada"):
        pass


def test_a_failure_gives_the_place_back() -> None:
    gate = Gate(Rate(monotonic=Hand()))
    with pytest.raises(ZeroDivisionError), gate.admit("ada"):
        _ = 1 / 0

    with gate.admit("ada"):
        pass


def test_ten_a_minute() -> None:
    clock = Hand()
    gate = Gate(Rate(monotonic=clock))
    for _ in range(PER_USER):
        with gate.admit("ada"):
            clock.time += 1

    with pytest.raises(GatewayRateLimited, match="within a minute") as refused, gate.admit("ada"):
        pass
    assert refused.value.retry_after_s == WINDOW_S - PER_USER
    with gate.admit("bob"):
        pass
    clock.time += WINDOW_S - PER_USER
    with gate.admit("ada"):
        pass


def test_few_at_once_for_all() -> None:
    gate = Gate(Rate(monotonic=Hand()))
    inside = [gate.admit(f"user {number}") for number in range(AT_ONCE)]
    for place in inside:
        place.__enter__()

    with pytest.raises(GatewayRateLimited, match="Too many diagnoses"), gate.admit("one more"):
        pass

    inside[0].__exit__(None, None, None)
    with gate.admit("one more"):
        pass


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=60))
def test_nobody_has_more_than_ten_in_any_minute_and_nothing_is_kept_for_long(asked: list[tuple[int, int]]) -> None:
    clock = Hand()
    rate = Rate(monotonic=clock)
    gate = Gate(rate)
    let_in: dict[int, list[float]] = {}
    for user, pause in asked:
        clock.time += pause
        mine = let_in.setdefault(user, [])
        due = sum(clock.time - moment < WINDOW_S for moment in mine) < PER_USER
        try:
            with gate.admit(str(user)):
                mine.append(clock.time)
                assert due
        except GatewayRateLimited:
            assert not due

    clock.time += WINDOW_S
    with gate.admit("the last"):
        pass
    assert rate.remembered == 1
