"""What a chunk costs on our own wires and through litellm, from the upstream's bytes to the frames of the stream.

`python -m bench.wires`; what it prints is explained in bench/README.md.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, final
from uuid import uuid4

import orjson
import uvloop

from app import sse
from app.errors import Origin
from app.providers import litellm_loading
from app.providers.litellm_lane import LitellmLane
from app.providers.model import ChatMessage, ModelClient, ModelRequest
from app.providers.native_lane import WIRES, NativeLane
from app.providers.provider import Deadlines, Lane, Provider, Route, Wire
from app.providers.transport import UpstreamResponse
from app.runs.answer import Answer
from app.runs.clock import Clock
from app.runs.journal import Journal
from app.runs.limits import RunLimits
from app.runs.live import LiveRun
from app.secret import Secret
from bench.process import pin

_VERSIONS: Final[Mapping[Wire, str]] = {Wire.GEMINI: "v1beta"}
_PIECE: Final = "a view "


def _event(data: object, kind: str = "") -> bytes:
    head = f"event: {kind}\n".encode() if kind else b""
    return head + b"data: " + orjson.dumps(data) + b"\n\n"


def _chat(chunks: int) -> Iterator[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "bench-1"}
    choice = {"index": 0, "delta": {"content": _PIECE}, "logprobs": None, "finish_reason": None}
    yield _event(head | {"choices": [choice | {"delta": {"role": "assistant", "content": ""}}]})
    for _ in range(chunks):
        yield _event(head | {"choices": [choice]})
    yield _event(head | {"choices": [choice | {"delta": {}, "finish_reason": "stop"}]})
    yield b"data: [DONE]\n\n"


def _responses(chunks: int) -> Iterator[bytes]:
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    text = {"type": "output_text", "text": _PIECE * chunks, "annotations": list[object]()}
    response = {"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "bench-1"}
    usage = {"input_tokens": 10, "output_tokens": chunks, "total_tokens": 10 + chunks}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}

    def told(kind: str, **more: object) -> bytes:
        return _event({"type": kind, **more}, kind)

    yield told("response.created", response=response | {"status": "in_progress", "output": list[object]()})
    for _ in range(chunks):
        yield told("response.output_text.delta", **place, delta=_PIECE)
    done = response | {"status": "completed", "output": [message | {"content": [text]}], "usage": usage}
    yield told("response.completed", response=done)


def _anthropic(chunks: int) -> Iterator[bytes]:
    def told(kind: str, **more: object) -> bytes:
        return _event({"type": kind, **more}, kind)

    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "bench-1", "content": list[object]()}
    yield told("message_start", message=message | {"stop_reason": None, "usage": usage})
    yield told("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for _ in range(chunks):
        yield told("content_block_delta", index=0, delta={"type": "text_delta", "text": _PIECE})
    yield told("content_block_stop", index=0)
    yield told("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": chunks})
    yield told("message_stop")


def _gemini(chunks: int) -> Iterator[bytes]:
    content = {"parts": [{"text": _PIECE}], "role": "model"}
    usage = {"promptTokenCount": 10, "candidatesTokenCount": chunks, "totalTokenCount": 10 + chunks}
    for _ in range(chunks - 1):
        yield _event({"candidates": [{"content": content, "index": 0}], "modelVersion": "bench-1"})
    yield _event({"candidates": [{"content": content, "index": 0, "finishReason": "STOP"}], "usageMetadata": usage})


_SCRIPTS: Final = {
    Wire.OPENAI_CHAT: _chat,
    Wire.OPENAI_RESPONSES: _responses,
    Wire.ANTHROPIC_MESSAGES: _anthropic,
    Wire.GEMINI: _gemini,
}


@final
class _Body:
    """Gives one event a read, after a turn of the loop each: no two arrive together."""

    def __init__(self, events: Sequence[bytes]) -> None:
        self._events = iter(events)

    async def readany(self) -> bytes:
        await asyncio.sleep(0)
        return next(self._events, b"")


@final
class _Canned:
    """A `Sender` without a socket: every request has the same answer."""

    def __init__(self, events: Sequence[bytes]) -> None:
        self._events = events

    @asynccontextmanager
    async def request(  # noqa: PLR0913 - the port
        self,
        method: str,  # noqa: ARG002 - the port
        url: str,  # noqa: ARG002 - the port
        *,
        headers: Mapping[str, str],  # noqa: ARG002 - the port
        body: bytes | None,  # noqa: ARG002 - the port
        deadlines: Deadlines,  # noqa: ARG002 - the port
        origin: Origin,
        guarded: bool = True,  # noqa: ARG002 - the port
    ) -> AsyncGenerator[UpstreamResponse]:
        yield UpstreamResponse(200, {"content-type": "text/event-stream"}, _Body(self._events), origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireCost:
    """One wire."""

    wire: str
    native_us: float
    """CPU for a chunk."""
    litellm_us: float

    @property
    def times(self) -> float:
        """How many times ours litellm's is."""
        return self.litellm_us / self.native_us


def _request(wire: Wire, lane: Lane) -> ModelRequest:
    base_url = f"http://127.0.0.1:9/{_VERSIONS.get(wire, 'v1')}"
    provider = Provider(id="bench", label="Bench", api_base=base_url, default_model="bench-1", wire=wire)
    route = Route(provider=provider, model="bench-1", wire=wire, base_url=base_url, lane=lane)
    messages = (ChatMessage(role="user", content="Plan a weekend in Lisbon, please."),)
    return ModelRequest(route=route, api_key=Secret("sk-of-the-bench-0123456789"), messages=messages)


async def _answer(client: ModelClient, request: ModelRequest, chunks: int) -> float:
    """Stream one answer into frames; give the seconds of CPU. Raises `RuntimeError` where it is not whole."""
    run = LiveRun(run_id=uuid4(), user_id="bench", conversation_id=uuid4(), user_message_id=uuid4(), message_id=uuid4())
    answer = Answer(run, request.route, client=client, limits=RunLimits(), clock=Clock())
    begin = time.process_time()
    asking = asyncio.create_task(answer.ask(request))
    asking.add_done_callback(lambda _: run.journal.leave())
    frames = await _read(run.journal)
    await asking
    used = time.process_time() - begin
    if b"".join(frames).count(_PIECE.encode()) != chunks:
        message = (
            f"{request.route.wire.value}: not every chunk once in the frames of the {request.route.lane.value} lane"
        )
        raise RuntimeError(message)
    return used


async def _read(journal: Journal) -> list[bytes]:
    """Give the frames that a reader would be sent."""
    frames: list[bytes] = []
    while True:
        batch = journal.batch(len(frames))
        if batch:
            frames += [sse.frame(entry, str(journal.run_id)) for entry in batch]
        elif journal.over:
            return frames
        else:
            await journal.grown()


async def _measure(wire: Wire, *, chunks: int, answers: int) -> WireCost:
    sender = _Canned(list(_SCRIPTS[wire](chunks)))
    litellm = LitellmLane(sender, loader=litellm_loading.load)
    await litellm.load()
    costs: dict[Lane, list[float]] = {Lane.NATIVE: [], Lane.LITELLM: []}
    clients: dict[Lane, ModelClient] = {Lane.NATIVE: NativeLane(sender), Lane.LITELLM: litellm}
    try:
        for _ in range(answers + 1):
            for lane, client in clients.items():
                costs[lane].append(await _answer(client, _request(wire, lane), chunks))
    finally:
        await litellm.close()
    # The first ones pay for what is made once.
    native, through = (statistics.median(costs[lane][1:]) / chunks * 1e6 for lane in (Lane.NATIVE, Lane.LITELLM))
    return WireCost(wire=wire.value, native_us=native, litellm_us=through)


async def _measure_all(chunks: int, answers: int) -> list[WireCost]:
    return [await _measure(wire, chunks=chunks, answers=answers) for wire in WIRES]


def main() -> int:
    """Measure and print; 1 when an answer was not whole, never because something was slow."""
    parser = argparse.ArgumentParser(prog="python -m bench.wires", description=__doc__)
    parser.add_argument("--chunks", type=int, default=500, help="of one answer (%(default)s)")
    parser.add_argument("--answers", type=int, default=5, help="of each lane on each wire (%(default)s)")
    parser.add_argument("--json", action="store_true", help="everything, for a program")
    options = parser.parse_args()
    if min(options.chunks, options.answers) <= 0:
        parser.error("chunks and answers must be more than 0")
    pin(0)
    measured = uvloop.run(_measure_all(options.chunks, options.answers))
    if options.json:
        sys.stdout.buffer.write(orjson.dumps(measured) + b"\n")
        return 0
    sys.stdout.write(f"{'us of CPU a chunk':<22}{'native':>9}{'litellm':>9}\n")
    for each in measured:
        sys.stdout.write(f"{each.wire:<22}{each.native_us:>9.1f}{each.litellm_us:>9.1f}   {each.times:.0f} x\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
