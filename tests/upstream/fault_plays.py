"""What the faults do on the socket; `faults` says which there are."""

import asyncio
import functools
import itertools
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Never

from tests.upstream.answer import Answer, Call
from tests.upstream.exchange import NO_HEADERS, Exchange, play_answer
from tests.upstream.frames import Frame, Part, dumps
from tests.upstream.trouble import Topic, Trouble

Play = Callable[[Exchange], Awaitable[None]]

HELLO: Final = Answer(texts=("Hello", " world"))
"""The answer that goes wrong."""
CUT_CALL: Final = Answer(texts=("Hello",), tool_calls=(Call("call_1", "list_devices", ('{"site": "ams', "terd")),))
_GAP_S: Final = 0.05
"""Between the last good bytes and a cut: clients drop what they have not read when a socket breaks."""
_PING_S: Final = 0.02
_BIG_BODY: Final = 16 * 1024 * 1024
_BIG_HEADER: Final = 1024 * 1024
_BOMB_MEGABYTES: Final = 256


def status(number: int, topic: Topic = Topic.PLAIN, message: str | None = None, after: int | None = None) -> Play:
    """An error response in the wire's own dialect; `after` is its Retry-After in seconds."""
    headers = NO_HEADERS if after is None else {"retry-after": str(after)}

    async def play(exchange: Exchange) -> None:
        await exchange.json(number, exchange.dialect.error(Trouble(number, topic, message)), headers)

    return play


async def quota(exchange: Exchange) -> None:
    """OpenAI names an empty account; the others say that the quota comes back in twelve hours."""
    far = NO_HEADERS if exchange.dialect.wire.value.startswith("openai") else {"retry-after": "43200"}
    await exchange.json(429, exchange.dialect.error(Trouble(429, Topic.QUOTA)), far)


def zen(number: int, kind: str, message: str, after: int | None = None) -> Play:
    """An error response of OpenCode Zen, the same on every wire."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "metadata": {}}
    return fixed(number, "application/json", dumps(body), {} if after is None else {"retry-after": str(after)})


def fixed(number: int, content_type: str | None, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Play:
    """A whole response; `content_type` None is that of the wire's stream."""

    async def play(exchange: Exchange) -> None:
        await exchange.whole_body(number, content_type, body, headers)

    return play


def redirect(location: str, number: int = 307) -> Play:
    """Sends the client to another place, which must never see the key."""
    return fixed(number, "text/plain", b"", {"location": location})


async def error_as_success(exchange: Exchange) -> None:
    await exchange.json(200, exchange.dialect.error(Trouble(500)))


async def whole_as_success(exchange: Exchange) -> None:
    await exchange.json(200, exchange.whole(HELLO))


async def close_first(exchange: Exchange) -> None:
    await exchange.drop()


def started(exchange: Exchange, answer: Answer = HELLO) -> tuple[Sequence[Frame], Sequence[Frame]]:
    """Give the frames up to the first text, and the rest."""
    frames = exchange.frames(answer)
    first = next(index for index, frame in enumerate(frames) if frame.part is Part.CONTENT) + 1
    return frames[:first], frames[first:]


async def send_all(exchange: Exchange, frames: Sequence[Frame]) -> None:
    for frame in frames:
        await exchange.send(frame.data)


async def say_hello(exchange: Exchange) -> Sequence[Frame]:
    """Write the stream up to its first text, and give the rest."""
    first, rest = started(exchange)
    exchange.head()
    await send_all(exchange, first)
    return rest


async def drop_mid(exchange: Exchange) -> None:
    await say_hello(exchange)
    await exchange.pause(_GAP_S)
    await exchange.drop()


async def reset_mid(exchange: Exchange) -> None:
    await say_hello(exchange)
    await exchange.pause(_GAP_S)
    await exchange.reset()


async def end_mid(exchange: Exchange) -> None:
    await say_hello(exchange)
    await exchange.end()


def without(*parts: Part) -> Play:
    """The stream without frames of the first of `parts` that this wire has."""

    async def play(exchange: Exchange) -> None:
        frames = exchange.frames(HELLO)
        missing = next(part for part in parts if any(frame.part is part for frame in frames))
        exchange.head()
        await send_all(exchange, [frame for frame in frames if frame.part is not missing])
        await exchange.end()

    return play


def answering(answer: Answer) -> Play:
    async def play(exchange: Exchange) -> None:
        await play_answer(exchange, answer)

    return play


async def bad_chunk(exchange: Exchange) -> None:
    rest = await say_hello(exchange)
    framed = exchange.dialect.content_type.startswith("text/event-stream")
    await exchange.send(b'data: {"choices": [{"delta": {"cont\n\n' if framed else b'{"message": {"cont\n')
    await send_all(exchange, rest)
    await exchange.end()


def error_mid(render: Callable[[Exchange], bytes]) -> Play:
    """An error event after the first text; then the stream ends properly."""

    async def play(exchange: Exchange) -> None:
        await say_hello(exchange)
        await exchange.send(render(exchange))
        await exchange.end()

    return play


async def error_first(exchange: Exchange) -> None:
    exchange.head()
    await exchange.send(exchange.dialect.error_frame(Trouble(429)))
    await exchange.end()


_USUAL_FAILURES: Final = {"anthropic_messages": 529, "gemini": 503}


def usual_error(exchange: Exchange) -> bytes:
    """Give what this provider most often says when it fails in the middle."""
    return exchange.dialect.error_frame(Trouble(_USUAL_FAILURES.get(exchange.dialect.wire.value, 500)))


def flat_error(exchange: Exchange) -> bytes:
    number = 529 if exchange.dialect.wire.value == "anthropic_messages" else 502
    return exchange.dialect.flat_error_frame(Trouble(number))


def string_error(exchange: Exchange) -> bytes:
    return exchange.dialect.string_error_frame("upstream connect error or disconnect/reset before headers")


def key_echo(exchange: Exchange) -> str:
    return f"Something is wrong with the key {exchange.recorded.api_key} that you sent."


def echo_error(exchange: Exchange) -> bytes:
    return exchange.dialect.error_frame(Trouble(500, message=key_echo(exchange)))


async def echo_status(exchange: Exchange) -> None:
    await exchange.json(401, exchange.dialect.error(Trouble(401, message=key_echo(exchange))))


async def no_head(exchange: Exchange) -> None:
    await exchange.hang()


async def head_only(exchange: Exchange) -> None:
    exchange.head()
    await exchange.hang()


async def stall(exchange: Exchange) -> None:
    await say_hello(exchange)
    await exchange.hang()


async def pings(exchange: Exchange) -> None:
    exchange.head()
    await _ping(exchange)


async def pings_mid(exchange: Exchange) -> None:
    await say_hello(exchange)
    await _ping(exchange)


async def _ping(exchange: Exchange) -> Never:
    for ping in itertools.cycle(exchange.dialect.pings):
        await exchange.send(ping)
        await exchange.pause(_PING_S)
    raise AssertionError


async def endless(exchange: Exchange) -> None:
    """Text without end, as fast as the client reads."""
    first, rest = started(exchange, Answer(texts=("Hello", "x" * 4096, "")))
    exchange.head()
    await send_all(exchange, first)
    await _forever(exchange, rest[0].data)


async def endless_line(exchange: Exchange) -> None:
    """One event whose line never ends."""
    exchange.head()
    await exchange.send(b'data: {"choices": [{"delta": {"content": "')
    await _forever(exchange, b"x" * 65536)


async def _forever(exchange: Exchange, data: bytes) -> Never:
    while True:
        await exchange.send(data)
        await exchange.flush()
        await asyncio.sleep(0)


async def big_body(exchange: Exchange) -> None:
    body: Any = exchange.dialect.error(Trouble(500, message="x" * _BIG_BODY))
    await exchange.json(500, body)


async def big_header(exchange: Exchange) -> None:
    exchange.head(headers={"x-padding": "x" * _BIG_HEADER})
    await send_all(exchange, exchange.frames(HELLO))
    await exchange.end()


async def gzip_bomb(exchange: Exchange) -> None:
    exchange.head(headers={"content-encoding": "gzip"})
    await exchange.send(_bomb())
    await exchange.end()


@functools.cache
def _bomb() -> bytes:
    """Give a gzip body of some 300 kB that unpacks to one line of 256 MB."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    plain = b"x" * (1024 * 1024)
    packed = b"".join(packer.compress(plain) for _ in range(_BOMB_MEGABYTES))
    return packed + packer.flush()
