import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache import CacheClosed, SharedCache

TTL_S = 30.0


class Broken(Exception):
    pass


@dataclass
class Shop:
    """A cache, the clock that it reads, and loads that wait until they are told to go on."""

    now: float = 100.0
    max_entries: int = 3
    asked: list[str] = field(default_factory=list[str])
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self.cache = SharedCache[str, str](max_entries=self.max_entries, monotonic=lambda: self.now)
        self.gate.set()

    @property
    def kept(self) -> list[str]:
        return list(self.cache._answers)  # pyright: ignore[reportPrivateUsage]  # what is kept in vain shows nowhere else

    async def get(self, key: str, *, ttl_s: float = TTL_S) -> str:
        return await self.cache.get(key, self._load_of(key), lambda _: ttl_s)

    def _load_of(self, key: str) -> Callable[[], Awaitable[str]]:
        async def load() -> str:
            self.asked.append(key)
            self.begun.set()
            await self.gate.wait()
            if self.failure:
                raise self.failure
            return f"{key}{len(self.asked)}"

        return load

    async def begin(self, key: str, **options: Any) -> asyncio.Task[str]:
        """Start a get whose load waits, and give it when the load has begun."""
        self.gate.clear()
        self.begun.clear()
        getting = asyncio.create_task(self.get(key, **options))
        async with asyncio.timeout(5):
            await self.begun.wait()
        return getting


@pytest.fixture
async def shop() -> AsyncGenerator[Shop]:
    made = Shop()
    async with asyncio.timeout(10):
        yield made
        await made.cache.close()


async def test_an_answer_is_kept_as_long_as_it_says(shop: Shop) -> None:
    assert await shop.get("a") == "a1"
    shop.now += TTL_S - 0.001
    assert await shop.get("a") == "a1"
    shop.now += 0.001
    assert await shop.get("a") == "a2"


async def test_the_age_counts_from_when_the_load_began(shop: Shop) -> None:
    getting = await shop.begin("a")
    shop.now += 20
    shop.gate.set()
    assert await getting == "a1"

    shop.now += 9.999
    assert await shop.get("a") == "a1"
    shop.now += 0.001
    assert await shop.get("a") == "a2"


async def test_nobody_gets_an_answer_to_a_question_put_too_long_before_they_asked(shop: Shop) -> None:
    first = await shop.begin("a")
    shop.now += TTL_S
    late = [asyncio.create_task(shop.get("a")) for _ in range(5)]
    await asyncio.sleep(0)
    shop.gate.set()

    assert await first == "a1"
    assert await asyncio.gather(*late) == ["a2"] * 5
    assert shop.asked == ["a", "a"]


async def test_many_who_ask_at_once_share_one_load(shop: Shop) -> None:
    first = await shop.begin("a")
    others = [asyncio.create_task(shop.get("a")) for _ in range(200)]
    shop.gate.set()

    assert await asyncio.gather(first, *others) == ["a1"] * 201
    assert shop.asked == ["a"]


async def test_a_waiter_that_leaves_does_not_take_the_load_along(shop: Shop) -> None:
    first = await shop.begin("a")
    other = asyncio.create_task(shop.get("a"))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    shop.gate.set()

    assert await other == "a1"


async def test_a_load_that_everybody_left_still_ends_and_is_kept(shop: Shop) -> None:
    first = await shop.begin("a")
    first.cancel()
    await asyncio.wait({first})
    shop.gate.set()

    assert await shop.get("a") == "a1"
    assert shop.asked == ["a"]


async def test_a_failure_reaches_all_who_waited_and_is_not_kept(shop: Shop) -> None:
    shop.failure = Broken("no")
    first = await shop.begin("a")
    others = [asyncio.create_task(shop.get("a")) for _ in range(20)]
    shop.gate.set()

    assert await asyncio.gather(first, *others, return_exceptions=True) == [shop.failure] * 21
    assert shop.asked == ["a"]
    shop.failure = None
    assert await shop.get("a") == "a2"


async def test_a_failure_that_nobody_waits_for_is_no_complaint_of_the_loop(shop: Shop) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    shop.failure = Broken("no")
    first = await shop.begin("a")
    first.cancel()
    await asyncio.wait({first})
    (load,) = (task for task in asyncio.all_tasks() if task.get_name() == "shared load")
    shop.gate.set()
    await asyncio.wait({load})
    del first, load
    await asyncio.sleep(0)
    gc.collect()

    assert complaints == []


async def test_what_is_good_for_no_time_is_given_but_not_kept(shop: Shop) -> None:
    assert [await shop.get("a", ttl_s=0), await shop.get("a", ttl_s=0)] == ["a1", "a2"]
    await shop.get("b")
    await shop.get("c", ttl_s=0)
    assert shop.kept == ["b"]


async def test_the_oldest_make_room(shop: Shop) -> None:
    for key in "abca":
        await shop.get(key)
    await shop.get("d")

    assert shop.kept == ["b", "c", "d"]
    assert await shop.get("a") == "a5"


async def test_an_answer_that_was_renewed_is_not_among_the_oldest(shop: Shop) -> None:
    await shop.get("a", ttl_s=1)
    await shop.get("b")
    shop.now += 1
    await shop.get("a")

    assert shop.kept == ["b", "a"]


async def test_old_answers_do_not_stay_until_the_cache_is_full(shop: Shop) -> None:
    await shop.get("a")
    shop.now += TTL_S
    await shop.get("b")

    assert shop.kept == ["b"]


async def test_keys_have_their_own_loads(shop: Shop) -> None:
    first = await shop.begin("a")
    second = await shop.begin("b")
    shop.gate.set()

    assert {await first, await second} == {"a2", "b2"}


async def test_closing_ends_the_loads_and_whoever_waits_is_told(shop: Shop) -> None:
    waiting = await shop.begin("a")
    await shop.cache.close()

    with pytest.raises(CacheClosed, match="ended"):
        await waiting
    with pytest.raises(CacheClosed, match="closed"):
        await shop.get("a")
    assert shop.asked == ["a"]
    await shop.cache.close()


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([0.0, 1.0, 10.0, 40.0])), max_size=40))
async def test_no_answer_is_older_than_it_may_be_and_no_more_are_kept_than_fit(steps: list[tuple[str, float]]) -> None:
    shop = Shop()
    loaded: dict[str, float] = {}
    for key, passes in steps:
        shop.now += passes
        before = len(shop.asked)
        await shop.get(key)
        if len(shop.asked) > before:
            loaded[key] = shop.now
        assert shop.now - loaded[key] < TTL_S
        assert len(shop.kept) <= 3
    await shop.cache.close()
