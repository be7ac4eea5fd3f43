"""Puts litellm's requests onto our own transport, so that nothing it sends escapes our rules.

litellm speaks httpx; this is an httpx transport over `Transport`. Each request carries the id of its exchange in a
header that ends here; a request without one is litellm's own idea (a look-up of prices or of a tokenizer) and is
refused. Statuses, bodies and ends are judged here, before litellm can take an HTML page for an empty answer.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Final

import httpx
from typing_extensions import override

from app.errors import GatewayError
from app.providers import call_deadline
from app.providers.exchange import Exchange
from app.providers.litellm_request import EXCHANGE_HEADER
from app.providers.provider import Wire
from app.providers.sending import send
from app.providers.transport import Sender, UpstreamResponse
from app.providers.wires.frames import frames
from app.providers.wires.reader import WireReader

_OWN_HEADERS: Final = frozenset({EXCHANGE_HEADER, "host", "content-length", "accept-encoding", "connection"})
_SUCCESS: Final = 200
_CONTENT_TYPES: Final = MappingProxyType({Wire.OLLAMA: "application/x-ndjson"})


class BridgeError(httpx.TransportError):
    """Tells litellm that the call is over; why stands in the exchange, not in this exception."""


class LitellmBridge(httpx.AsyncBaseTransport):
    """An httpx transport whose requests all belong to an exchange."""

    def __init__(self, transport: Sender, exchanges: Mapping[str, Exchange]) -> None:
        """Send through `transport` what belongs to one of `exchanges`, by their ids; both stay their owner's."""
        self._transport = transport
        self._exchanges = exchanges

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = self._exchanges.get(request.headers.get(EXCHANGE_HEADER, ""))
        if exchange is None:
            message = "this request belongs to no exchange"
            raise BridgeError(message)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
            response = await send(
                self._transport,
                exchange,
                request.method,
                str(request.url),
                headers=headers,
                body=await request.aread(),
            )
        except GatewayError as error:
            exchange.fail(error)
            raise BridgeError(error.code) from None
        wire = _wire_of(request.url.path, exchange.request.route.wire)
        reader = WireReader(wire, response.headers, origin=exchange.origin, key=exchange.key)
        exchange.reader = reader
        headers = {"content-type": _CONTENT_TYPES.get(wire, "text/event-stream")}
        return httpx.Response(_SUCCESS, headers=headers, stream=_Body(response, reader, exchange), request=request)


class _Body(httpx.AsyncByteStream):
    """The frames of an answer, as far as they made sense."""

    def __init__(self, response: UpstreamResponse, reader: WireReader, exchange: Exchange) -> None:
        self._response = response
        self._reader = reader
        self._exchange = exchange

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        reader = self._reader
        chunks = aiter(self._response.chunks())
        loop = asyncio.get_running_loop()
        until: float | None = None
        while not reader.reading.over and reader.error is None:
            if until is None and self._exchange.finished:
                until = loop.time() + call_deadline.AFTER_FINISH_S
            try:
                async with asyncio.timeout_at(until):
                    chunk = await anext(chunks, b"")
            except TimeoutError:
                break
            except GatewayError as error:
                if not self._exchange.finished:
                    reader.error = error
                break
            events = reader.feed(chunk) if chunk else reader.end()
            if written := frames(reader.wire, events, reader.reading):
                yield written
            if not chunk:
                break
        if reader.reading.over and reader.error is None:
            reader.end()
            await self._linger(chunks)
        if reader.error is not None:
            self._exchange.fail(reader.error)
            raise BridgeError(reader.error.code)

    async def _linger(self, chunks: AsyncIterator[bytes]) -> None:
        """Read on to the end of the body, if it is already there."""
        try:
            async with asyncio.timeout(call_deadline.LINGER_S):
                async for _ in chunks:
                    pass
        except (TimeoutError, GatewayError):
            return


def _wire_of(path: str, expected: Wire) -> Wire:
    """Tell the wire from the path: litellm sends some known ids of OpenAI to /responses unasked."""
    if path.endswith("/responses"):
        return Wire.OPENAI_RESPONSES
    if path.endswith("/chat/completions"):
        return Wire.OPENAI_CHAT
    return expected
