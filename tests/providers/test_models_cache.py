"""Lists over real sockets, asked for once: who shares one, for how long, and who never does."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from app.config_file import ProviderTable
from app.errors import (
    AuthenticationFailed,
    ProviderInternalError,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
    RateLimited,
    ServerShutdown,
)
from app.providers.model_info import ModelSource
from app.providers.models_cache import (
    KEEP_EMPTY_SECONDS,
    KEEP_FAILURE_SECONDS,
    KEEP_SECONDS,
    MAX_REFRESHES,
    STALE_SECONDS,
    Listing,
    ModelsCache,
)
from app.providers.provider import Provider
from app.providers.registry import build_registry
from app.providers.transport import Transport
from app.secret import Secret
from tests.providers.list_pages import Pages, serving_pages

ADAS, BOBS = Secret("sk-of-ada-0123456789"), Secret("sk-of-bob-0123456789")


@dataclass
class Desk:
    """One cache before one scripted list; its clock stands still."""

    pages: Pages
    cache: ModelsCache
    now: float = 0.0

    def provider(self, provider_id: str = "openai", path: str = "") -> Provider:
        table = ProviderTable(api_base=f"{self.pages.base}{path}")
        return build_registry({provider_id: table}).get(provider_id)

    async def ask(
        self, api_key: Secret | None = ADAS, provider: Provider | None = None, *, seconds: float = 10, own: bool = True
    ) -> tuple[str, ...]:
        return await self.cache.list_models(provider or self.provider(), api_key, seconds=seconds, own_key=own)

    async def look(self, api_key: Secret | None = ADAS, provider: Provider | None = None) -> Listing:
        return await self.cache.look(provider or self.provider(), api_key, seconds=10)

    async def refreshed(self) -> None:
        """Wait for what is fetched in the background."""
        tasks = [task for task in asyncio.all_tasks() if task.get_name() == "refresh model list"]
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks)

    @staticmethod
    def row(told: Listing) -> tuple[ModelSource, bool, float | None, str | None, list[str]]:
        code = told.failure.code if told.failure else None
        return told.source, told.stale, told.age_s, code, list(told.models)

    def fails(self, status: str) -> None:
        self.pages.answers.clear()
        self.pages.says({"error": {"message": "No."}}, status=status)

    def says(self, *models: str) -> None:
        self.pages.answers.clear()
        self.pages.says({"data": [{"id": model} for model in models]})


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with serving_pages() as pages, Transport() as transport:
        desk = Desk(pages, ModelsCache(transport, monotonic=lambda: desk.now))
        desk.says("model-a")
        try:
            yield desk
        finally:
            await desk.cache.close()


async def test_a_list_is_kept_for_a_while(desk: Desk) -> None:
    assert await desk.ask() == ("model-a",)
    desk.says("model-b")

    desk.now = KEEP_SECONDS - 1
    assert await desk.ask(Secret(ADAS.reveal())) == ("model-a",)
    assert len(desk.pages.requests) == 1
    desk.now = KEEP_SECONDS + 1
    assert await desk.ask() == ("model-b",)
    assert len(desk.pages.requests) == 2


async def test_an_empty_list_is_kept_for_a_moment_only(desk: Desk) -> None:
    desk.says()
    assert await desk.ask() == ()
    desk.says("model-a")

    desk.now = KEEP_EMPTY_SECONDS + 1
    assert await desk.ask() == ("model-a",)


async def test_all_who_ask_at_once_with_one_key_share_one_request(desk: Desk) -> None:
    assert set(await asyncio.gather(*(desk.ask() for _ in range(20)))) == {("model-a",)}

    assert len(desk.pages.requests) == 1


async def test_two_keys_two_providers_and_two_addresses_never_share(desk: Desk) -> None:
    others = [
        (BOBS, desk.provider()),
        (None, desk.provider()),
        (ADAS, desk.provider("mistral")),
        (ADAS, desk.provider(path="/eu/v1")),
    ]
    await desk.ask()

    for number, (api_key, provider) in enumerate(others):
        desk.says(f"model-{number}")
        assert await desk.ask(api_key, provider) == (f"model-{number}",)
        headers = desk.pages.requests[-1][1]
        assert headers.get("authorization") == (None if api_key is None else f"Bearer {api_key.reveal()}")
    assert await desk.ask() == ("model-a",)
    assert len(desk.pages.requests) == 1 + len(others)


async def test_without_a_key_all_share(desk: Desk) -> None:
    local = desk.provider("lmstudio")

    assert await desk.ask(None, local, own=False) == await desk.ask(None, local, own=False) == ("model-a",)

    assert len(desk.pages.requests) == 1


async def test_a_list_that_failed_is_not_asked_for_again_at_once(desk: Desk) -> None:
    desk.fails("401 Unauthorized")
    for _ in range(3):
        with pytest.raises(AuthenticationFailed) as told:
            await desk.ask()
        assert len(traceback.extract_tb(told.value.__traceback__)) < 5, "frames do not pile up"
    assert len(desk.pages.requests) == 1

    desk.says("model-a")
    desk.now = KEEP_FAILURE_SECONDS - 1
    with pytest.raises(AuthenticationFailed):
        await desk.ask()
    assert await desk.ask(BOBS) == ("model-a",), "another key is another question"
    desk.now = KEEP_FAILURE_SECONDS + 1
    assert await desk.ask() == ("model-a",)


async def test_a_provider_that_says_when_to_come_back_is_left_alone_until_then(desk: Desk) -> None:
    desk.fails("429 Too Many Requests\r\nRetry-After: 60")
    with pytest.raises(RateLimited):
        await desk.ask()

    desk.says("model-a")
    desk.now = 59
    with pytest.raises(RateLimited):
        await desk.ask()
    desk.now = 61
    assert await desk.ask() == ("model-a",)


async def test_a_stale_list_is_given_with_its_age_while_a_newer_one_is_fetched(desk: Desk) -> None:
    await desk.ask()
    desk.says("model-b")
    desk.now = KEEP_SECONDS + 1
    desk.pages.hold.clear()

    async with asyncio.timeout(5):
        stale = [await desk.look() for _ in range(3)]
    assert {(one.stale, one.age_s, *one.models) for one in stale} == {(True, KEEP_SECONDS + 1, "model-a")}
    desk.pages.hold.set()
    await desk.refreshed()

    assert desk.row(await desk.look()) == (ModelSource.LIVE, False, 0, None, ["model-b"])
    assert len(desk.pages.requests) == 2, "one for all three"


async def test_a_stale_list_says_why_there_is_no_newer_one(desk: Desk) -> None:
    await desk.ask()
    desk.fails("503 Service Unavailable")
    desk.now = KEEP_SECONDS + 1
    await desk.look()
    await desk.refreshed()

    told = await desk.look()
    assert desk.row(told) == (ModelSource.LIVE, True, KEEP_SECONDS + 1, "provider_unavailable", ["model-a"])
    await desk.refreshed()
    assert len(desk.pages.requests) == 2, "the failure is kept for a while"
    desk.now = STALE_SECONDS + 1
    with pytest.raises(ProviderUnavailable):
        await desk.look()


async def test_a_list_does_not_outlive_the_key_that_it_was_given_to(desk: Desk) -> None:
    await desk.ask()
    desk.fails("401 Unauthorized")
    desk.now = KEEP_SECONDS + 1
    await desk.look()
    await desk.refreshed()

    with pytest.raises(AuthenticationFailed):
        await desk.look()
    assert desk.cache.known(desk.provider(), ADAS).listed is None


async def test_the_snapshot_stands_in_for_a_provider_that_is_away(desk: Desk) -> None:
    async with serving_pages() as gone:
        base = gone.base
    away = replace(desk.provider(), api_base=base)

    told = await desk.look(provider=away)
    assert desk.row(told) == (ModelSource.SNAPSHOT, True, None, "provider_unreachable", ["gpt-5.4-nano", "gpt-6-luna"])
    with pytest.raises(ProviderUnreachable):
        await desk.look(provider=replace(desk.provider("xai"), api_base=base))
    desk.fails("500 Internal Server Error")
    with pytest.raises(ProviderInternalError):
        await desk.look()


async def test_what_a_list_does_not_say_comes_from_the_snapshot(desk: Desk) -> None:
    desk.says("gpt-6-luna", "new-model")

    told = await desk.look(provider=desk.provider("opencode_zen"))

    luna, new = told.models["gpt-6-luna"], told.models["new-model"]
    assert (luna.context_tokens, luna.tools, luna.source) == (1_050_000, True, ModelSource.LIVE)
    assert (new.context_tokens, new.tools, new.takes_tools, new.price) == (None, None, True, None)


async def test_fifty_who_look_at_once_are_one_request_and_each_key_sees_its_own(desk: Desk) -> None:
    told = await asyncio.gather(*(desk.look() for _ in range(50)))
    assert {tuple(one.models) for one in told} == {("model-a",)}
    assert len(desk.pages.requests) == 1

    desk.says("model-b")
    assert list((await desk.look(BOBS)).models) == ["model-b"]
    assert list((await desk.look(ADAS)).models) == ["model-a"]


async def test_no_more_than_a_few_lists_are_fetched_in_the_background(desk: Desk) -> None:
    desk.pages.hold.clear()
    tasks = [desk.cache.refresh(desk.provider(), Secret(f"sk-{number}")) for number in range(MAX_REFRESHES + 3)]

    assert [task is None for task in tasks] == [False] * MAX_REFRESHES + [True] * 3
    assert desk.cache.refresh(desk.provider(), Secret("sk-0")) is tasks[0]
    desk.pages.hold.set()
    await desk.refreshed()
    assert desk.cache.known(desk.provider(), Secret("sk-0")).fresh


async def test_errors_about_the_operators_key_are_not_those_about_ones_own(desk: Desk) -> None:
    desk.fails("401 Unauthorized")

    results = await asyncio.gather(desk.ask(own=True), desk.ask(own=False), return_exceptions=True)

    assert [error.origin.private for error in results if isinstance(error, AuthenticationFailed)] == [False, True]


async def test_the_deadline_holds_and_one_who_leaves_takes_nothing_from_the_others(desk: Desk) -> None:
    desk.pages.hang = True
    with pytest.raises(ProviderTimeout):
        await desk.ask(seconds=0.05)

    desk.now = KEEP_FAILURE_SECONDS + 1
    desk.pages.hang = False
    leaving, staying = asyncio.create_task(desk.ask()), asyncio.create_task(desk.ask())
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == ("model-a",)
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_closing_ends_the_requests_under_way(desk: Desk) -> None:
    desk.pages.hang = True
    before = asyncio.all_tasks()
    asking = asyncio.create_task(desk.ask())
    async with asyncio.timeout(5):
        while not desk.pages.requests:  # noqa: ASYNC110 - the page server sets no event
            await asyncio.sleep(0.001)

    await desk.cache.close()

    async with asyncio.timeout(5):
        for waiting in (asking, desk.ask()):
            with pytest.raises(ServerShutdown) as told:
                await waiting
            assert told.value.retry_after_s == 5
    assert {task for task in asyncio.all_tasks() - before if "list" in task.get_name()} == set()


async def test_a_row_with_its_own_list_needs_no_network(desk: Desk) -> None:
    row = replace(desk.provider(), models_list=None, models=("b", "a"))

    assert await desk.ask(None, row) == ("a", "b")
    assert desk.pages.requests == []


def test_what_stands_for_a_key_says_nothing_about_it() -> None:
    row = build_registry({}).get("openai")
    here, elsewhere = (ModelsCache(Transport())._asked(row, ADAS, own_key=True) for _ in range(2))  # pyright: ignore[reportPrivateUsage]  # what is kept is the point

    assert ADAS.reveal() not in repr(here)
    assert here.key_digest != elsewhere.key_digest
    assert len(here.key_digest) == len(elsewhere.key_digest) == 64
