import pytest

from app.errors import (
    GatewayError,
    GatewayRateLimited,
    NetworkError,
    ProviderError,
    ProviderInternalError,
    ProviderOverloaded,
    ProviderTimeout,
    ProviderUnreachable,
    RateLimited,
    StorageUnavailable,
    all_errors,
)
from app.runs.retry import RetryPolicy

STEADY = RetryPolicy(jitter=lambda: 1.0)


@pytest.mark.parametrize("kind", list(all_errors()))
def test_only_what_may_pass_by_itself_is_tried_again(kind: type[GatewayError]) -> None:
    expected = issubclass(kind, ProviderError | NetworkError) and kind.retryable and kind is not ProviderTimeout

    assert (STEADY.delay(kind(), 1, 100.0) is not None) == expected


def test_the_pause_doubles_up_to_the_cap() -> None:
    policy = RetryPolicy(max_attempts=10, jitter=lambda: 1.0)

    pauses = [policy.delay(ProviderOverloaded(), attempt, 100.0) for attempt in range(1, 8)]

    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_jitter_takes_off_at_most_half() -> None:
    assert RetryPolicy(jitter=lambda: 0.0).delay(ProviderOverloaded(), 1, 100.0) == 0.25


def test_the_last_attempt_is_the_last() -> None:
    assert STEADY.delay(ProviderUnreachable(), 2, 100.0) is not None
    assert STEADY.delay(ProviderUnreachable(), 3, 100.0) is None


def test_a_wish_of_the_provider_is_followed_when_it_is_short() -> None:
    assert STEADY.delay(ProviderInternalError(retry_after_s=3.0), 1, 100.0) == 3.0
    assert STEADY.delay(ProviderInternalError(retry_after_s=11.0), 1, 100.0) is None
    assert STEADY.delay(ProviderInternalError(retry_after_s=-1.0), 1, 100.0) == 0.0


def test_a_rate_limit_needs_a_date() -> None:
    assert STEADY.delay(RateLimited(), 1, 100.0) is None
    assert STEADY.delay(RateLimited(retry_after_s=10.0), 1, 100.0) == 10.0
    assert STEADY.delay(RateLimited(retry_after_s=10.1), 1, 100.0) is None


def test_no_pause_is_longer_than_what_is_left() -> None:
    assert STEADY.delay(ProviderUnreachable(), 1, 0.5) is None
    assert STEADY.delay(ProviderUnreachable(), 1, 0.51) == 0.5


@pytest.mark.parametrize("kind", [StorageUnavailable, GatewayRateLimited])
def test_our_own_failures_are_not_the_model_calls(kind: type[GatewayError]) -> None:
    assert STEADY.delay(kind(retry_after_s=1.0), 1, 100.0) is None
