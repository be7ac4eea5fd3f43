import asyncio
import re
from uuid import uuid4

from structlog.testing import capture_logs

from app.secret import Secret
from app.wakeups import valkey as module
from app.wakeups.valkey import MAX_WAITING, ValkeyWakeups
from tests.valkey_server import ValkeyServer
from tests.wakeups.replicas import HEARD_S, Replicas, settled


def publications(server: ValkeyServer) -> int:
    found = re.search(rb"cmdstat_publish:calls=(\d+)", server.ask("INFO", "commandstats"))
    return int(found[1]) if found else 0


async def test_a_hint_reaches_the_watches_of_every_replica(valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(valkey)
    three = await replicas.open(valkey.url.replace("redis://", "valkey://"))
    watches = [replicas.watch(replica, "run:1") for replica in (one, two, two, three)]
    other = replicas.watch(two, "run:2")

    one.tell("run:1")

    assert all([await watch.wait(HEARD_S) for watch in watches])
    assert not await other.wait(0)


async def test_watches_of_this_process_do_not_wait_for_the_server(valkey: ValkeyServer, replicas: Replicas) -> None:
    one, _ = await replicas.pair(valkey)
    watch = replicas.watch(one, "run:1")

    one.tell("run:1")

    assert await watch.wait(0)


async def test_ones_own_hint_does_not_come_back(valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(valkey)
    watch = replicas.watch(one, "run:1")
    one.tell("run:1")
    assert await watch.wait(0)

    await settled(one, two)
    await settled(two, one)

    assert not await watch.wait(0)


async def test_another_prefix_is_not_heard(valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(valkey)
    stranger = await replicas.open(valkey.url, prefix=f"other-{uuid4().hex}")
    watch = replicas.watch(two, "run:1")

    stranger.tell("run:1")
    await stranger.close()
    await settled(one, two)

    assert not await watch.wait(0)


async def test_many_topics_go_in_few_publications(own_valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(own_valkey)
    watches = [replicas.watch(two, f"run:{number}") for number in range(1000)]

    for number in [*range(1000), *range(1000)]:
        one.tell(f"run:{number}")
    await settled(one, two)

    assert all([await watch.wait(0) for watch in watches])
    assert publications(own_valkey) <= 6


async def test_no_more_than_the_bound_waits_and_the_newest_are_kept(valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(valkey)
    oldest = replicas.watch(two, "run:0")
    newest = replicas.watch(two, f"run:{MAX_WAITING}")

    with capture_logs() as lines:
        for number in range(MAX_WAITING + 1):
            one.tell(f"run:{number}")
        assert await newest.wait(HEARD_S)

    assert not await oldest.wait(0)
    assert lines == [{"event": "wakeups_dropped", "most": MAX_WAITING, "log_level": "warning"}]


async def test_a_topic_that_cannot_be_written_harms_no_other(valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(valkey)
    watch = replicas.watch(two, "run:1")

    one.tell("\ud800")
    one.tell("run:1")

    assert await watch.wait(HEARD_S)


async def test_what_was_told_last_is_published_while_closing(valkey: ValkeyServer, replicas: Replicas) -> None:
    one, two = await replicas.pair(valkey)
    watch = replicas.watch(two, "run:1")

    with capture_logs() as lines:
        one.tell("run:1")
        await one.close()

        assert await watch.wait(HEARD_S)
    assert lines == []


async def test_closed_it_reaches_nobody_and_still_raises_nothing(valkey: ValkeyServer, replicas: Replicas) -> None:
    one, _ = await replicas.pair(valkey)
    watch = replicas.watch(one, "run:1")

    await one.close()
    await one.close()
    assert await watch.wait(0)
    one.tell("run:1")

    assert await watch.wait(0)
    assert not one.reaches_others


async def test_nothing_is_left_running_after_closing(valkey: ValkeyServer) -> None:
    before = asyncio.all_tasks()
    name = f"test-{uuid4().hex}"
    with capture_logs() as lines:
        async with ValkeyWakeups(Secret(valkey.url), prefix=name) as replica:
            with replica.watch("reach") as watch:
                assert await watch.wait(HEARD_S)
            assert replica.reaches_others
            assert asyncio.all_tasks() > before

    assert asyncio.all_tasks() == before
    assert lines == [], "nothing went away, so nothing came back"


def test_what_is_promised_fits_the_times() -> None:
    until_found = module._ATTEMPT_S + module._LONGEST_PAUSE_S  # pyright: ignore[reportPrivateUsage]  # the promise is about them
    until_missed = module._QUIET_S * (module._MAX_UNANSWERED + 1) + module._CLOSE_S  # pyright: ignore[reportPrivateUsage]  # see above

    assert until_found < 2
    assert until_missed < 2
