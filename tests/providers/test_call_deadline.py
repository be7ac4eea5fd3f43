"""One timer keeps all the limits of a call, and interrupts nothing but a wait."""

import asyncio

import pytest

from app.providers import call_deadline
from app.providers.call_deadline import CallDeadline
from app.providers.exchange import Exchange
from app.providers.provider import Deadlines, Wire
from tests.providers.calls import request_to, route_to

FAR = 30.0


def begin(*, first_token_s: float = FAR, idle_s: float = FAR, total_s: float = FAR) -> CallDeadline:
    limits = Deadlines(first_token_s=first_token_s, idle_s=idle_s, total_s=total_s)
    return CallDeadline(Exchange(request_to(route_to("http://h", Wire.OPENAI_CHAT), deadlines=limits)))


async def ever(clock: CallDeadline) -> str:
    """Wait until a limit passes; give the code of its error."""
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError), clock:
            await asyncio.Event().wait()
    clock.close()
    return clock.explain().code


async def test_each_limit_has_its_error() -> None:
    begun = begin(idle_s=0.02)
    begun.progress()
    late = begin(idle_s=FAR, total_s=0.03)
    late.progress()

    assert await ever(begin(first_token_s=0.02)) == "provider_timeout"
    assert await ever(begun) == "stream_stalled"
    assert await ever(late) == "provider_timeout"


async def test_progress_moves_the_limit_although_the_timer_is_set() -> None:
    clock = begin(first_token_s=0.05, idle_s=FAR)
    with clock:
        await asyncio.sleep(0)
    clock.progress()

    with clock:
        await asyncio.sleep(0.1)
    clock.close()


async def test_a_limit_that_comes_nearer_counts() -> None:
    clock = begin(first_token_s=FAR, idle_s=0.02)
    with clock:
        await asyncio.sleep(0)
    clock.progress()

    assert await ever(clock) == "stream_stalled"


async def test_a_whole_answer_is_given_a_few_seconds_that_nothing_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_deadline, "AFTER_FINISH_S", 0.05)
    clock = begin(idle_s=FAR)
    clock.finishing()
    clock.progress()

    await ever(clock)


async def test_nothing_is_interrupted_outside_a_wait() -> None:
    clock = begin(first_token_s=0.02)
    with clock:
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)

    # What is there by then is taken, as long as nothing has to be waited for.
    with clock:
        pass
    assert await ever(clock) == "provider_timeout"


async def test_a_cancellation_from_outside_stays_one() -> None:
    clock = begin()
    waiting = asyncio.Event()

    async def wait() -> None:
        with clock:
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await waiting.wait()
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    clock.close()

    assert task.cancelled()


async def test_a_cancellation_beside_the_limit_wins() -> None:
    clock = begin(first_token_s=0.01)

    async def wait() -> None:
        with clock:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                task.cancel()
                raise

    task = asyncio.create_task(wait())
    await asyncio.wait({task}, timeout=5)
    clock.close()

    assert task.cancelled()
