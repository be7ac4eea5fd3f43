import asyncio
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import pytest

from app.wakeups import Wakeups, Watch

LONG_S = 10.0


def left(wakeups: Wakeups) -> dict[str, set[Watch]]:
    return wakeups._watches  # pyright: ignore[reportPrivateUsage]  # what is kept in vain shows nowhere else


@contextmanager
def watched(wakeups: Wakeups, *topics: str) -> Generator[list[Watch]]:
    with ExitStack() as stack:
        yield [stack.enter_context(wakeups.watch(topic)) for topic in topics]


async def test_who_waits_is_woken() -> None:
    wakeups = Wakeups()

    with wakeups.watch("run:1") as watch:
        waiting = asyncio.create_task(watch.wait(LONG_S))
        await asyncio.sleep(0)
        wakeups.tell("run:1")

        assert await waiting


async def test_told_between_a_look_and_the_wait_is_not_lost() -> None:
    wakeups = Wakeups()

    with wakeups.watch("run:1") as watch:
        wakeups.tell("run:1")

        assert await watch.wait(0)


async def test_one_wait_takes_all_that_was_told_before_it() -> None:
    wakeups = Wakeups()

    with wakeups.watch("run:1") as watch:
        wakeups.tell("run:1")
        wakeups.tell("run:1")

        assert await watch.wait(LONG_S)
        assert not await watch.wait(0.001)


async def test_every_watch_of_the_topic_is_told_and_no_other() -> None:
    wakeups = Wakeups()

    with watched(wakeups, "run:1", "run:1", "run:2") as (first, second, other):
        wakeups.tell("run:1")

        assert await first.wait(0)
        assert await second.wait(0)
        assert not await other.wait(0)


async def test_what_was_told_before_the_block_is_not_heard() -> None:
    wakeups = Wakeups()
    wakeups.tell("run:1")

    with wakeups.watch("run:1") as watch:
        assert not await watch.wait(0)


async def test_a_wait_that_is_cancelled_takes_nothing_away() -> None:
    wakeups = Wakeups()

    with wakeups.watch("run:1") as watch:
        waiting = asyncio.create_task(watch.wait(LONG_S))
        await asyncio.sleep(0)
        wakeups.tell("run:1")
        waiting.cancel()
        await asyncio.wait({waiting})

        assert waiting.cancelled()
        assert await watch.wait(0)


async def test_told_in_the_turn_in_which_the_time_is_up_is_heard() -> None:
    wakeups = Wakeups()
    loop = asyncio.get_running_loop()

    with wakeups.watch("run:1") as watch:
        for delay in (0.0, 0.001):
            due = loop.time() + delay
            loop.call_at(due, wakeups.tell, "run:1")
            waiting = asyncio.create_task(watch.wait(delay))
            heard = await waiting
            again = await watch.wait(LONG_S if not heard else 0)

            assert heard or again


async def test_nothing_is_left_of_a_watch_after_its_block() -> None:
    wakeups = Wakeups()

    with wakeups.watch("run:1"):
        with wakeups.watch("run:1"):
            pass
        assert len(left(wakeups)["run:1"]) == 1
    with pytest.raises(ZeroDivisionError), wakeups.watch("run:1"):
        _ = 1 / 0

    assert left(wakeups) == {}


async def test_nothing_is_left_of_a_reader_that_is_cancelled() -> None:
    wakeups = Wakeups()

    async def read() -> None:
        with wakeups.watch("run:1") as watch:
            await watch.wait(LONG_S)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    assert left(wakeups) != {}
    reading.cancel()
    await asyncio.wait({reading})

    assert left(wakeups) == {}


async def test_telling_nobody_keeps_nothing() -> None:
    wakeups = Wakeups()

    wakeups.tell("run:1")

    assert left(wakeups) == {}


async def test_a_lone_process_reaches_nobody_else() -> None:
    async with Wakeups() as wakeups:
        assert not wakeups.reaches_others


async def test_closing_lets_everybody_look_once_more() -> None:
    wakeups = Wakeups()

    with watched(wakeups, "run:1", "run:2") as (first, second):
        await wakeups.close()

        assert await first.wait(0)
        assert await second.wait(0)
