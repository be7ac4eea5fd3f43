"""Whose turn it is to write."""

import asyncio
import random

import pytest

from app.db.turn import Turn


async def take(turn: Turn, name: str, order: list[str], *, first: bool = False, seconds: float = 5.0) -> None:
    async with turn.hold(seconds, first=first):
        order.append(name)
        await asyncio.sleep(0)


async def test_turns_are_taken_in_order_and_by_the_first_before_all_others() -> None:
    turn, order = Turn(), list[str]()
    async with turn.hold(1):
        waiting = [asyncio.create_task(take(turn, name, order)) for name in "abc"]
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(take(turn, "writer", order, first=True)))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)

    assert order == ["writer", "a", "b", "c"]


async def test_nobody_waits_longer_than_said_and_the_next_one_gets_it() -> None:
    turn, order = Turn(), list[str]()
    async with turn.hold(1):
        impatient = asyncio.create_task(take(turn, "impatient", order, seconds=0.01))
        patient = asyncio.create_task(take(turn, "patient", order))
        with pytest.raises(TimeoutError):
            await impatient
    await patient

    assert order == ["patient"]


async def test_whoever_is_cancelled_at_any_moment_it_is_held_once_and_never_lost() -> None:
    chance, turn, inside, most = random.Random(7), Turn(), 0, 0  # noqa: S311 - no secret

    async def one() -> None:
        nonlocal inside, most
        async with turn.hold(5, first=chance.random() < 0.3):
            inside += 1
            most = max(most, inside)
            try:
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)
            finally:
                inside -= 1

    tasks = [asyncio.create_task(one()) for _ in range(300)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        chance.choice(tasks).cancel()
    await asyncio.wait(tasks)
    async with turn.hold(0.01):
        pass

    assert most == 1
