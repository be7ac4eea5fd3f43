"""Places for runs, and the queue before them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Cancelled, GatewayError, ServerShutdown, TooManyRuns
from app.runs.admission import Admission, Waiting

LONG = Waiting(all_s=60, user_s=60)


def asking(admission: Admission, user_id: str) -> "asyncio.Task[None]":
    return asyncio.create_task(admission.enter(user_id))


async def settled() -> None:
    """Let every task go as far as it can without a timer."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_place_that_gets_free_is_given_and_not_refused() -> None:
    admission = Admission(max_runs=1, max_per_user=5, waiting=LONG)
    await admission.enter("ada")
    waiting = asking(admission, "bob")
    await settled()
    before = (waiting.done(), admission.queued, admission.taken)
    admission.leave("ada")
    await waiting

    assert before == (False, 1, 1)
    assert (admission.queued, admission.taken) == (0, 1)


async def test_who_came_first_goes_first_and_nobody_overtakes() -> None:
    admission = Admission(max_runs=1, max_per_user=5, waiting=LONG)
    await admission.enter("ada")
    waiting = [asking(admission, name) for name in ("bob", "eve", "bob")]
    await settled()
    order: list[list[bool]] = []
    for user_id in ("ada", "bob", "eve"):
        admission.leave(user_id)
        late = asking(admission, "dan")
        await settled()
        assert not late.done()
        late.cancel()
        order.append([one.done() for one in waiting])

    assert order == [[True, False, False], [True, True, False], [True, True, True]]


async def test_who_is_at_their_own_cap_keeps_nobody_else_waiting() -> None:
    admission = Admission(max_runs=3, max_per_user=1, waiting=LONG)
    await admission.enter("ada")
    again = asking(admission, "ada")
    await settled()
    await admission.enter("bob")

    assert not again.done()
    admission.leave("ada")
    await again


async def test_waiting_ends_with_a_refusal_and_comes_back_at_different_times() -> None:
    admission = Admission(max_runs=1, max_per_user=20, waiting=Waiting(all_s=0.01))
    await admission.enter("ada")
    told = await asyncio.gather(*(asking(admission, "bob") for _ in range(20)), return_exceptions=True)

    assert {type(one) for one in told} == {TooManyRuns}
    seconds = {one.retry_after_s for one in told if isinstance(one, TooManyRuns)}
    assert all(second is not None and 3 <= second <= 8 for second in seconds)
    assert len(seconds) > 5
    assert (admission.queued, admission.taken) == (0, 1)


async def test_who_is_at_their_own_cap_waits_their_own_time() -> None:
    admission = Admission(max_runs=9, max_per_user=1, waiting=Waiting(all_s=60, user_s=0.01))
    await admission.enter("ada")

    with pytest.raises(TooManyRuns):
        await admission.enter("ada")


async def test_the_queue_is_bounded_for_all_and_for_each() -> None:
    admission = Admission(max_runs=2, max_per_user=2, waiting=replace(LONG, places=4))
    for _ in range(2):
        await admission.enter("ada")
    waiting = [asking(admission, name) for name in ("ada", "ada", "bob", "eve")]
    await settled()
    assert admission.queued == 4
    with pytest.raises(TooManyRuns):
        await admission.enter("dan")
    waiting.pop().cancel()
    await settled()

    with pytest.raises(TooManyRuns):
        await admission.enter("ada")
    admission.close()
    await asyncio.wait(waiting)


async def test_who_leaves_leaves_the_queue() -> None:
    admission = Admission(max_runs=1, max_per_user=5, waiting=LONG)
    await admission.enter("ada")
    gone = asyncio.Event()

    async def left() -> None:
        await gone.wait()

    leaving = asyncio.create_task(admission.enter("bob", left))
    behind = asking(admission, "eve")
    await settled()
    gone.set()
    with pytest.raises(Cancelled):
        await leaving
    admission.leave("ada")
    await behind

    assert (admission.queued, admission.taken) == (0, 1)


async def test_a_place_given_to_one_who_is_just_cancelled_goes_to_the_next() -> None:
    admission = Admission(max_runs=1, max_per_user=5, waiting=LONG)
    await admission.enter("ada")
    first, second = asking(admission, "bob"), asking(admission, "eve")
    await settled()
    admission.leave("ada")
    first.cancel()
    await second

    assert first.cancelled()
    assert (admission.queued, admission.taken) == (0, 1)


async def test_a_shutdown_ends_the_wait() -> None:
    admission = Admission(max_runs=1, max_per_user=5, waiting=LONG)
    await admission.enter("ada")
    waiting = asking(admission, "bob")
    await settled()
    admission.close()
    with pytest.raises(ServerShutdown):
        await waiting
    with pytest.raises(ServerShutdown):
        await admission.enter("eve")
    admission.leave("ada")

    assert (admission.queued, admission.taken) == (0, 0)


STEPS = st.lists(st.tuples(st.sampled_from(["enter", "leave", "cancel", "gone"]), st.integers(0, 3)), max_size=40)


@given(steps=STEPS, max_runs=st.integers(1, 3), max_per_user=st.integers(1, 2))
@settings(max_examples=200, deadline=None)
def test_no_place_is_lost_or_given_twice(steps: list[tuple[str, int]], max_runs: int, max_per_user: int) -> None:
    admission = Admission(max_runs=max_runs, max_per_user=max_per_user, waiting=LONG)
    asyncio.run(play(admission, steps))


async def play(admission: Admission, steps: list[tuple[str, int]]) -> None:
    tasks: list[tuple[str, asyncio.Task[None], asyncio.Event]] = []
    given_back: set[int] = set()
    for step, user in steps:
        mine = [number for number, (name, _, _) in enumerate(tasks) if name == str(user)]
        if step == "enter":
            gone = asyncio.Event()
            tasks.append((str(user), asyncio.create_task(admission.enter(str(user), watcher(gone))), gone))
        elif step == "leave":
            inside = [number for number in mine if has_a_place(tasks[number][1]) and number not in given_back]
            for number in inside[:1]:
                given_back.add(number)
                admission.leave(str(user))
        else:
            for number in mine[-1:]:
                if step == "cancel":
                    tasks[number][1].cancel()
                else:
                    tasks[number][2].set()
        if user % 2:
            await settled()
    await settled()
    holders = Counter(
        name for number, (name, task, _) in enumerate(tasks) if has_a_place(task) and number not in given_back
    )
    waiting = [name for name, task, _ in tasks if not task.done()]

    assert admission.taken == holders.total() <= admission.max_runs
    assert max(holders.values(), default=0) <= admission.max_per_user
    assert admission.queued == len(waiting)
    if holders.total() < admission.max_runs:
        assert all(holders[name] == admission.max_per_user for name in waiting), "nobody waits beside a free place"
    admission.close()
    results = await asyncio.gather(*(task for _, task, _ in tasks), return_exceptions=True)
    assert all(one is None or isinstance(one, GatewayError | asyncio.CancelledError) for one in results)


def watcher(gone: asyncio.Event) -> Callable[[], Coroutine[Any, Any, None]]:
    async def left() -> None:
        await gone.wait()

    return left


def has_a_place(task: "asyncio.Task[None]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
