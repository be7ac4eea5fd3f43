import asyncio
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.wakeups.outbox import Outbox


class Refused(Exception):
    pass


def taken(outbox: Outbox) -> list[str]:
    with outbox.take() as topics:
        return list(topics)


def fail_to_publish(outbox: Outbox, *meanwhile: str) -> None:
    with suppress(Refused), outbox.take():
        for topic in meanwhile:
            outbox.add(topic)
        raise Refused


@given(st.lists(st.sampled_from("abcdef")), st.integers(1, 4))
def test_it_keeps_each_topic_once_in_order_and_drops_the_oldest(told: list[str], most: int) -> None:
    outbox = Outbox(most)
    expected: list[str] = []

    for topic in told:
        outbox.add(topic)
        if topic not in expected:
            expected = [*expected, topic][-most:]

        assert len(outbox) <= most

    assert taken(outbox) == expected
    assert taken(outbox) == []


def test_what_could_not_be_published_goes_before_what_came_since() -> None:
    outbox = Outbox(4)
    for topic in ("a", "b", "c"):
        outbox.add(topic)

    fail_to_publish(outbox, "d", "b", "e")

    assert taken(outbox) == ["b", "c", "d", "e"]


def test_dropping_is_said_once_until_something_was_published() -> None:
    outbox = Outbox(1)

    with capture_logs() as lines:
        for topic in ("a", "b", "c"):
            outbox.add(topic)
        fail_to_publish(outbox, "d")
        assert [line["event"] for line in lines] == ["wakeups_dropped"]
        assert taken(outbox) == ["d"]
        outbox.add("e")
        outbox.add("f")

    assert [line["event"] for line in lines] == ["wakeups_dropped"] * 2


async def test_filled_waits_for_a_topic_and_only_for_that() -> None:
    outbox = Outbox(2)
    filled = asyncio.create_task(outbox.filled())
    await asyncio.sleep(0)
    assert not filled.done()

    outbox.add("a")
    await asyncio.wait_for(filled, 5)
    assert taken(outbox) == ["a"]
    filled = asyncio.create_task(outbox.filled())
    await asyncio.sleep(0)
    assert not filled.done()
    outbox.add("b")
    await asyncio.wait_for(filled, 5)


async def test_what_could_not_be_published_fills_it_again() -> None:
    outbox = Outbox(2)
    outbox.add("a")

    fail_to_publish(outbox)

    await asyncio.wait_for(outbox.filled(), 5)
