"""A message that comes when there are too many runs: it waits a moment for a place."""

import asyncio

import httpx
import pytest

from app.runs.admission import Waiting
from tests.routers.gateway import Gateway, assert_error, open_gateway
from tests.runs.desk import until
from tests.runs.scripted import Pause, words


def sent(gateway: Gateway, conversation_id: str) -> "asyncio.Task[httpx.Response]":
    return asyncio.create_task(gateway.send(conversation_id))


async def test_a_message_waits_for_a_place_and_gets_it(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [pause, *words("one")], words("two"), max_runs=1) as gateway:
        ids = [await gateway.new_conversation() for _ in range(2)]
        first = sent(gateway, ids[0])
        await pause.reached.wait()
        second = sent(gateway, ids[1])
        await until(lambda: gateway.services.hub.waiting == 1)
        stored = gateway.rows()["runs"] if database_url.startswith("sqlite") else 1
        pause.release.set()
        answers = await asyncio.gather(first, second)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert stored == 1, "who waits has begun nothing"


async def test_a_message_that_gets_no_place_is_told_when_to_come_back(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [pause], max_runs=1) as gateway:
        ids = [await gateway.new_conversation() for _ in range(9)]
        first = sent(gateway, ids[0])
        await pause.reached.wait()
        refused = await asyncio.gather(*(gateway.send(one) for one in ids[1:]))
        pause.release.set()
        await first

    for answer in refused:
        assert_error(answer, 429, "too_many_runs")
    waits = {int(answer.headers["retry-after"]) for answer in refused}
    assert waits <= set(range(3, 9))
    assert len(waits) > 1


@pytest.mark.parametrize("path", ["send_message", "regenerate"])
async def test_who_leaves_while_waiting_leaves_the_queue_and_nothing_behind(database_url: str, path: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, words("zero"), [pause], words("two"), max_runs=1) as gateway:
        ids = [await gateway.new_conversation() for _ in range(2)]
        await gateway.tell(ids[1])
        first = sent(gateway, ids[0])
        await pause.reached.wait()
        (asked, *_) = (await gateway.http.get(f"/api/chat/conversations/{ids[1]}/")).json()["messages"]
        if path == "send_message":
            second = sent(gateway, ids[1])
        else:
            second = asyncio.create_task(gateway.http.post(f"/api/chat/messages/{asked['id']}/regenerate/", json={}))
        await until(lambda: gateway.services.hub.waiting == 1)
        begun = asyncio.get_running_loop().time()
        second.cancel()
        await until(lambda: gateway.services.hub.waiting == 0)
        took_s = asyncio.get_running_loop().time() - begun
        pause.release.set()
        await first
        shown = (await gateway.http.get(f"/api/chat/conversations/{ids[1]}/?all_branches=true")).json()

    assert len(shown["messages"]) == 2
    assert took_s < 0.7 * Waiting().all_s, "it was not the refusal that ended the wait"


async def test_a_shutdown_answers_who_waits(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [pause], max_runs=1) as gateway:
        ids = [await gateway.new_conversation() for _ in range(2)]
        first = sent(gateway, ids[0])
        await pause.reached.wait()
        second = sent(gateway, ids[1])
        await until(lambda: gateway.services.hub.waiting == 1)
        gateway.services.begin_shutdown()
        assert_error(await second, 503, "server_shutdown")
        await first
