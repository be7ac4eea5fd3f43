"""Lists over real sockets, asked for once: who shares one, for how long, and who never does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from app.config_file import ProviderTable
from app.errors import AuthenticationFailed, ProviderTimeout, ServerShutdown
from app.providers.models_cache import KEEP_EMPTY_SECONDS, KEEP_SECONDS, ModelsCache
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


async def test_a_failure_is_not_kept(desk: Desk) -> None:
    desk.pages.answers.clear()
    desk.pages.says({"error": {"message": "Incorrect API key"}}, status="401 Unauthorized")
    with pytest.raises(AuthenticationFailed):
        await desk.ask()

    desk.says("model-a")
    assert await desk.ask() == ("model-a",)


async def test_errors_about_the_operators_key_are_not_those_about_ones_own(desk: Desk) -> None:
    desk.pages.answers.clear()
    desk.pages.says({"error": {"message": "Incorrect API key"}}, status="401 Unauthorized")

    results = await asyncio.gather(desk.ask(own=True), desk.ask(own=False), return_exceptions=True)

    assert [error.origin.private for error in results if isinstance(error, AuthenticationFailed)] == [False, True]


async def test_the_deadline_holds_and_one_who_leaves_takes_nothing_from_the_others(desk: Desk) -> None:
    desk.pages.hang = True
    with pytest.raises(ProviderTimeout):
        await desk.ask(seconds=0.05)

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
