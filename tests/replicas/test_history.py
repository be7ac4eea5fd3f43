"""That the checker fails where it must: one that cannot fail proves nothing."""

from collections.abc import Callable

import orjson
import pytest

from tests.replicas.history import HistoryBroken, Recorder, check_history
from tests.replicas.invented import DONE, InventedGateway, frame
from tests.replicas.play import Play
from tests.replicas.reading import Ended

DETACHED = b'event: stream.detached\ndata: {"v":1,"type":"stream.detached","resume_url":null}\n\n'
"""One that does not say where to go on."""


def detached(run_id: str) -> bytes:
    said = {"v": 1, "type": "stream.detached", "resume_url": f"/api/chat/runs/{run_id}/stream/", "retry_ms": 100}
    return b"event: stream.detached\ndata: " + orjson.dumps(said) + b"\n\n"


def lose(gateway: InventedGateway) -> None:
    """As if the end of what was shown had never been stored."""
    del gateway.frames[2]
    gateway.frames[2] = frame(next(iter(gateway.runs)), 3, "run.completed", status="completed", message_ids=[])


def repeat(gateway: InventedGateway) -> None:
    gateway.frames.insert(2, gateway.frames[1])


def change(gateway: InventedGateway) -> None:
    gateway.frames[1] = gateway.frames[1].replace(b'"v":1', b'"v":2')


def leave_out(gateway: InventedGateway) -> None:
    del gateway.frames[1]


def swap(gateway: InventedGateway) -> None:
    gateway.frames[1], gateway.frames[2] = gateway.frames[2], gateway.frames[1]


def end_twice(gateway: InventedGateway) -> None:
    gateway.frames.append(frame(next(iter(gateway.runs)), 5, "run.interrupted", status="interrupted", message_ids=[]))


def go_on(gateway: InventedGateway) -> None:
    gateway.frames.append(frame(next(iter(gateway.runs)), 5, "message.delta", message_id="", content="more"))


def never_end(gateway: InventedGateway) -> None:
    del gateway.frames[-1]


def forget_text(gateway: InventedGateway) -> None:
    gateway.messages[1]["text"] = gateway.messages[1]["text"][:-1]


def forget_answer(gateway: InventedGateway) -> None:
    del gateway.messages[1]


def forget_run(gateway: InventedGateway) -> None:
    gateway.runs.clear()


def forget_question(gateway: InventedGateway) -> None:
    del gateway.messages[0]


def ask_twice(gateway: InventedGateway) -> None:
    gateway.messages.append(gateway.messages[0])


def invent_question(gateway: InventedGateway) -> None:
    gateway.messages.append({**gateway.messages[0], "content": "mine"})


def mistake_status(gateway: InventedGateway) -> None:
    gateway.messages[1]["status"] = "running"


def stay_busy(gateway: InventedGateway) -> None:
    gateway.busy = True


BROKEN: dict[Callable[[InventedGateway], None], str] = {
    lose: "1 events that a client was sent are lost: 4",
    repeat: "the replay has number 2 where 3 belongs",
    change: "1 events have changed: 2; .*1.* is now .*2",
    leave_out: "the replay has number 3 where 2 belongs",
    swap: "the replay has number 3 where 2 belongs",
    end_twice: "terminal events are .4, 5., the last event is 5",
    go_on: "terminal events are .4., the last event is 5",
    never_end: "it has no end: 3 events, status completed, the replay: 200 open",
    forget_text: "the stored text and the deltas differ",
    forget_answer: "the conversation has not its messages",
    forget_run: "it has no end: 0 events, .* the replay: 404 refused",
    forget_question: "1 times acknowledged, 1 times asked, 0 times kept",
    ask_twice: "1 times acknowledged, 1 times asked, 2 times kept",
    invent_question: "has messages that nobody sent: .'mine'",
    mistake_status: "its message is running, its last event says completed",
    stay_busy: "takes no further message: 409 refused .*conversation_busy",
}


@pytest.mark.parametrize("spoil", BROKEN, ids=lambda spoil: spoil.__name__)
async def test_a_history_that_is_spoilt_is_seen(spoil: Callable[[InventedGateway], None]) -> None:
    gateway = InventedGateway()
    async with gateway.serve() as http:
        recorder = Recorder(gateway.conversation)
        await recorder.send(http, Play())
        spoil(gateway)
        with pytest.raises(HistoryBroken, match=BROKEN[spoil]):
            await check_history([recorder], http, seconds=0.3)


async def test_a_history_that_is_whole_passes_with_its_figures() -> None:
    gateway = InventedGateway()
    async with gateway.serve() as http:
        recorder = Recorder(gateway.conversation)
        await recorder.send(http, Play())
        figures = await check_history([recorder], http)

    assert (figures.sent, figures.accepted, figures.runs) == (1, 1, 1)
    assert (figures.events_seen, figures.events_kept, figures.events_lost) == (4, 4, 0)
    assert (figures.readings, figures.ends) == ({"done": 1}, {"run.completed": 1})


async def test_a_client_that_is_let_go_reads_on_and_has_seen_everything() -> None:
    gateway = InventedGateway()
    async with gateway.serve() as http:
        recorder = Recorder(gateway.conversation)
        gateway.shown = lambda frames: [*frames[:2], detached(next(iter(gateway.runs)))]
        first = await recorder.send(http, Play())
        second = await recorder.follow([http], seconds=5)
        gateway.shown = lambda frames: [*frames, DONE]
        figures = await check_history([recorder], http)

    assert (first.end, first.seen, first.detachment["retry_ms"]) == (Ended.DETACHED, 2, 100)
    assert (second.end, second.after, second.seen) == (Ended.DONE, 2, 4)
    assert (figures.events_seen, figures.events_kept, figures.readings) == (4, 4, {"detached": 1, "done": 1})


@pytest.mark.parametrize(
    ("numbers", "end", "words"),
    [
        ((1, 3, 4), DONE, "a client that had 0 was sent number 3 where 2 belongs"),
        ((1, 2, 2, 3, 4), DONE, "a client that had 0 was sent number 2 where 3 belongs"),
        ((1, 2, 3), DONE, "DONE. without a terminal event"),
        ((1, 2), b": ping\n\n", "ended without .DONE. and without a detachment"),
        ((1, 2, 3, 4), b"event: tea\ndata: {}\n\n" + DONE, "what is no event: b'event: tea"),
        ((1, 2), b"id: ", "what is no event: b'id: '"),
        ((1, 2), DETACHED, "detached without being told where to go on: "),
        ((1, 2, 3, 4, 1), DONE, "was sent number 1 where 5 belongs"),
    ],
)
async def test_a_client_that_was_served_wrongly_is_seen(numbers: tuple[int, ...], end: bytes, words: str) -> None:
    gateway = InventedGateway()
    async with gateway.serve() as http:
        recorder = Recorder(gateway.conversation)
        gateway.shown = lambda frames: [*(frames[number - 1] for number in numbers), end]
        await recorder.send(http, Play())
        with pytest.raises(HistoryBroken, match=words):
            await check_history([recorder], http, seconds=0.3, probe=False)


async def test_a_text_that_is_not_the_upstream_s_is_seen() -> None:
    gateway = InventedGateway()
    async with gateway.serve() as http:
        recorder = Recorder(gateway.conversation)
        await recorder.send(http, Play(chunks=4))
        gateway.messages[0]["content"] = recorder.sent[0].text = recorder.sent[0].text.replace("4", "5", 1)
        with pytest.raises(HistoryBroken, match="the text is not what the upstream wrote"):
            await check_history([recorder], http)
