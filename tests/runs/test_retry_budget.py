from hypothesis import given
from hypothesis import strategies as st

from app.providers.provider import Wire
from app.providers.target import Target
from app.runs.retry_budget import MAX_TARGETS, RESERVE, SHARE, RetryBudget

TARGET = Target("acme", "https://acme.example", Wire.OPENAI_CHAT)
OTHER = TARGET._replace(wire=Wire.GEMINI)


def test_the_reserve_is_there_at_once_and_no_more() -> None:
    budget = RetryBudget()

    assert [budget.spend(TARGET) for _ in range(11)] == [True] * 10 + [False]
    assert budget.spend(OTHER), "each has its own"


def test_ten_messages_earn_one() -> None:
    budget = RetryBudget(reserve=1.0)
    budget.spend(TARGET)
    for _ in range(11):  # one more, as a tenth is no binary fraction
        budget.earn(TARGET)

    assert [budget.spend(TARGET), budget.spend(TARGET)] == [True, False]


def test_whoever_has_its_whole_reserve_again_is_forgotten() -> None:
    budget = RetryBudget()
    budget.spend(TARGET)
    for _ in range(11):
        budget.earn(TARGET)

    assert len(budget) == 0


def test_no_more_than_so_many_are_remembered() -> None:
    budget = RetryBudget()
    for number in range(MAX_TARGETS + 50):
        budget.spend(TARGET._replace(place=str(number)))

    assert len(budget) == MAX_TARGETS


@given(st.lists(st.booleans(), max_size=400))
def test_retries_never_outgrow_their_share(wishes: list[bool]) -> None:
    budget = RetryBudget()
    messages = retries = 0
    for message in wishes:
        if message:
            messages += 1
            budget.earn(TARGET)
        retries += budget.spend(TARGET)

    assert retries <= RESERVE + SHARE * messages + 1e-6
