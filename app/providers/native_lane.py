"""Calls a model in its own wire, without a library in between: the cheap lane for everything that streams much.

What an answer's bytes mean is `wires/`'s business, as for the other lane; here they are asked for, waited for and given
out as deltas. See `docs/decisions/0019`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self, final

from app.errors import GatewayError
from app.providers import call_deadline
from app.providers.call_deadline import CallDeadline
from app.providers.exchange import Exchange
from app.providers.model import Delta, ModelRequest
from app.providers.native_request import http_request
from app.providers.pieces import Pieces
from app.providers.provider import Wire
from app.providers.sending import send
from app.providers.transport import Sender, UpstreamResponse
from app.providers.wires import anthropic_messages, gemini, openai_chat, openai_responses
from app.providers.wires.reader import WireReader
from app.providers.wires.reading import OddPieceError

WIRES: Final[Mapping[Wire, Callable[[Mapping[str, Any], Pieces], None]]] = {
    Wire.OPENAI_CHAT: openai_chat.say,
    Wire.OPENAI_RESPONSES: openai_responses.say,
    Wire.ANTHROPIC_MESSAGES: anthropic_messages.say,
    Wire.GEMINI: gemini.say,
}
"""The wires of this lane, and what reads the events of each."""


@final
class NativeLane:
    """A `ModelClient` for the wires that we speak ourselves; owns nothing."""

    def __init__(self, transport: Sender) -> None:
        """Send through `transport`, which stays its owner's."""
        self._transport = transport

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        """Open one call; see `ModelClient`."""
        call = _Call(self._transport, Exchange(request))
        try:
            yield call
            await call.linger()
        finally:
            await call.close()


@final
class _Call:
    """The deltas of one call. One read of the socket is parsed at once and given out without a further wait."""

    def __init__(self, transport: Sender, exchange: Exchange) -> None:
        self._transport = transport
        self._exchange = exchange
        self._clock = CallDeadline(exchange)
        self._pieces = Pieces(exchange.key, exchange.origin)
        self._ready = self._pieces.ready
        self._say = WIRES[exchange.request.route.wire]
        self._response: UpstreamResponse | None = None
        self._reader: WireReader | None = None
        self._over = False
        self._useful = False
        """Whether the last read brought anything to show."""
        self._failure: GatewayError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            if self._over:
                raise StopAsyncIteration
            await self._advance()
        return self._ready.popleft()

    async def linger(self) -> None:
        """Read on to the end of the body of a whole answer, if it is already there."""
        if self._response is None or self._reader is None or not self._reader.reading.over:
            return
        try:
            async with asyncio.timeout(call_deadline.LINGER_S):
                while await self._response.readany():
                    pass
        except (TimeoutError, GatewayError):
            return

    async def close(self) -> None:
        """Close the socket, unless its answer was read to the end."""
        self._clock.close()
        await self._exchange.stack.aclose()

    async def _advance(self) -> None:
        """Wait for one read, and take what it brought."""
        if self._useful:
            # From here on, because the time that the reader of the deltas took is not the provider's.
            self._clock.progress()
            self._useful = False
        try:
            with self._clock:
                response = self._response or await self._open()
                chunk = await response.readany()
        except TimeoutError:
            self._end(self._clock.explain())
        except GatewayError as error:
            self._end(error)
        else:
            self._take(chunk)

    async def _open(self) -> UpstreamResponse:
        exchange = self._exchange
        url, headers, body = http_request(exchange.request)
        response = await send(self._transport, exchange, "POST", url, headers=headers, body=body)
        wire = exchange.request.route.wire
        self._reader = WireReader(wire, response.headers, origin=exchange.origin, key=exchange.key)
        exchange.reader = self._reader
        self._response = response
        return response

    def _take(self, chunk: bytes) -> None:
        reader, pieces, say = self._reader, self._pieces, self._say
        if reader is None:
            return
        try:
            for _, event in reader.feed(chunk) if chunk else reader.end():
                say(event, pieces)
        except GatewayError as error:
            self._exchange.fail(error)
        except OddPieceError:
            self._exchange.fail(reader.odd_piece())
        pieces.flush()
        self._useful = self._useful or bool(self._ready)
        if not chunk or reader.reading.over or reader.error is not None or self._exchange.error is not None:
            self._end(reader.error)
        elif reader.reading.finish is not None:
            self._clock.finishing()

    def _end(self, error: GatewayError | None) -> None:
        """End the answer, well or with `error`; one that is whole is not made a failure by what follows it."""
        self._over = True
        exchange = self._exchange
        if error is not None and not exchange.finished:
            exchange.fail(error)
        self._pieces.end()
        try:
            self._ready.extend(exchange.ending())
        except GatewayError as failure:
            self._failure = failure
