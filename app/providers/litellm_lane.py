"""Calls a model through litellm: it translates requests and deltas, and decides nothing else.

Time limits, ends, errors, usage and sockets are the lane's own; see `docs/decisions/0003`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from enum import StrEnum
from types import ModuleType
from typing import Any, Final

import httpx
import structlog

from app.errors import (
    GatewayError,
    InvalidProviderResponse,
    NotReady,
    Phase,
    StreamInterrupted,
    UnknownError,
)
from app.providers import litellm_errors, litellm_request, litellm_setup
from app.providers.call_deadline import CallDeadline
from app.providers.exchange import Exchange
from app.providers.key_filter import KeyFilter
from app.providers.litellm_bridge import EXCHANGE_HEADER, LitellmBridge
from app.providers.model import Delta, Finish, ModelRequest, ReasoningTextDelta, TextDelta, ToolCallPiece, UsageReport
from app.providers.provider import Wire
from app.providers.transport import Sender

_CLOSE_S: Final = 1.0
_PASSING: Final = (OSError, MemoryError, ImportError)
"""What a machine that is short of files, memory or a disk makes of an import."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_MAX_CALLS: Final = 128
"""Tool calls of one answer; no model makes a tenth of it."""
_SDK_PREFIXES: Final = ("openai/", "custom_openai/")
"""The names that litellm speaks through OpenAI's SDK."""
_log: Final = structlog.stdlib.get_logger()


class LoadState(StrEnum):
    """How far litellm is; readiness shows it."""

    WAITING = "waiting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class LitellmLane:
    """A `ModelClient` over litellm. One per process, used in one event loop."""

    def __init__(
        self,
        transport: Sender,
        *,
        loader: Callable[[], ModuleType] = litellm_setup.load,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Send through `transport`; nothing is imported before `load` runs `loader` in a thread."""
        self.state = LoadState.WAITING
        self._loader = loader
        self._sleep = sleep
        self.bridge = LitellmBridge(transport)
        """Where everything that litellm sends must pass."""
        self._loaded = asyncio.Event()
        self._litellm: Any = None
        self._handler: Any = None
        self._cached_handler: Any = None
        self._http: httpx.AsyncClient | None = None

    async def load(self) -> None:
        """Get litellm ready in a thread; call it once. Calls made before wait for it within their first deadline.

        Where the machine is short of something it is tried again for as long as it takes; calls get `NotReady` then.
        """
        pause_s = _FIRST_PAUSE_S
        while await self._load_fails_for_now():
            await self._sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _load_fails_for_now(self) -> bool:
        self.state = LoadState.LOADING
        try:
            self.use(await litellm_setup.in_daemon_thread(self._loader))
        except Exception as error:  # noqa: BLE001 - a broken library must leave a gateway that can say so
            self.state = LoadState.FAILED
            again = any(isinstance(cause, _PASSING) for cause in litellm_errors.chain(error))
            _log.exception("litellm.load_failed", again=again)
            return again
        else:
            self.state = LoadState.READY
            return False
        finally:
            self._loaded.set()

    def use(self, module: ModuleType) -> None:
        """Take litellm as `litellm_setup.load` gave it."""
        from litellm.llms.custom_httpx import http_handler  # noqa: PLC0415 - loaded by now

        handlers: Any = http_handler
        self._cached_handler = handlers.get_async_httpx_client
        self._handler = handlers.AsyncHTTPHandler(transport=self.bridge, follow_redirects=False)
        self._http = httpx.AsyncClient(transport=self.bridge, follow_redirects=False, trust_env=False)
        # Last: whatever fails before leaves a lane that is not ready.
        self._litellm = module
        self._loaded.set()

    async def close(self) -> None:
        """Close what litellm was given."""
        if self._http is not None:
            await self._http.aclose()
        if self._handler is not None:
            await self._handler.close()

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        """Open one call; see `ModelClient`."""
        exchange = Exchange(request)
        deltas = self._deltas(exchange)
        self.bridge.add(exchange)
        try:
            yield deltas
        finally:
            self.bridge.remove(exchange)
            await deltas.aclose()

    async def _deltas(self, exchange: Exchange) -> AsyncGenerator[Delta]:
        clock, translation = CallDeadline(exchange), _Translation(exchange)
        chunks: Any = None
        failure: GatewayError | None = None
        try:
            try:
                async with clock:
                    await self._loaded.wait()
                    chunks = await self._call(exchange.request, exchange)
                    iterator = aiter(chunks)
                while True:
                    async with clock:
                        chunk: Any = await anext(iterator)
                    for delta in translation.deltas(chunk):
                        clock.progress()
                        if _shows(delta):
                            yield delta
            except StopAsyncIteration:
                pass
            except TimeoutError:
                failure = exchange.fail(clock.explain())
            except Exception as error:  # noqa: BLE001 - litellm raises bare ValueErrors and worse; all become typed
                failure = self._explain(exchange, error)
            for delta in filter(_shows, translation.end()):
                yield delta
            if failure is not None:
                raise failure
            for delta in _ending(exchange):
                yield delta
        finally:
            # The socket first: generation and billing go on until it is closed, and litellm's own close may wait.
            await exchange.stack.aclose()
            await _close(chunks)

    async def _call(self, request: ModelRequest, exchange: Exchange) -> Any:  # noqa: ANN401 - litellm's own type
        if self._litellm is None:
            raise NotReady(origin=exchange.origin)
        arguments = litellm_request.arguments(request, {EXCHANGE_HEADER: exchange.id})
        return await self._litellm.acompletion(
            **arguments, client=self._client(request, arguments), timeout=httpx.Timeout(None)
        )

    def _client(self, request: ModelRequest, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - SDK or handler
        """Give litellm a client of ours: its own would keep keys in a cache and sockets out of our sight."""
        if arguments["model"].startswith("openai/"):
            # litellm drops `client` on its way to /responses and takes this one from its cache. One that was set
            # stays ours: the cache does not close it when its hour is over.
            self._cached_handler(llm_provider="openai", params={"ssl_verify": None}).client = self._http
        if request.route.wire is not Wire.OPENAI_CHAT or not arguments["model"].startswith(_SDK_PREFIXES):
            return self._handler
        from openai import AsyncOpenAI  # noqa: PLC0415 - comes with litellm

        return AsyncOpenAI(
            api_key=arguments["api_key"],
            base_url=arguments["api_base"],
            http_client=self._http,
            max_retries=0,
            timeout=None,
        )

    def _explain(self, exchange: Exchange, error: Exception) -> GatewayError:
        if exchange.error is not None:
            return exchange.error
        explained = litellm_errors.explain(error, origin=exchange.origin, key=exchange.key)
        if isinstance(explained, UnknownError) and exchange.reader is not None:
            message = f"{exchange.origin.label} sent an answer that does not keep to its protocol."
            explained = InvalidProviderResponse(message, origin=exchange.origin, phase=Phase.MID_STREAM)
        kinds = [type(cause).__name__ for cause in litellm_errors.chain(error)]
        _log.warning("litellm.failed", code=explained.code, kinds=kinds)
        return exchange.fail(explained)


class _Translation:
    """litellm's chunks as deltas; keeps tool calls apart that it numbers alike (Ollama's are all number 0)."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._text = KeyFilter(exchange.key)
        self._reasoning = KeyFilter(exchange.key)
        self._calls: dict[int, tuple[str | None, int]] = {}
        self._arguments: dict[int, KeyFilter] = {}

    def deltas(self, chunk: Any) -> Iterator[Delta]:  # noqa: ANN401 - a litellm ModelResponseStream
        for choice in chunk.choices[:1]:
            delta = choice.delta
            if reasoning := getattr(delta, "reasoning_content", None):
                yield ReasoningTextDelta(self._reasoning.add(reasoning))
            if delta.content:
                yield TextDelta(self._text.add(delta.content))
            for call in delta.tool_calls or ():
                yield self._piece(call)

    def end(self) -> Iterator[Delta]:
        """Give what was held back in case a key began there."""
        yield ReasoningTextDelta(self._reasoning.end())
        yield TextDelta(self._text.end())
        for index, arguments in self._arguments.items():
            yield ToolCallPiece(index, None, None, arguments.end())

    def _piece(self, call: Any) -> ToolCallPiece:  # noqa: ANN401 - a litellm ChatCompletionDeltaToolCall
        known = self._calls.get(call.index)
        if known is None or (call.id and call.id != known[0]):
            known = self._calls[call.index] = (call.id or None, len(self._arguments))
            if len(self._arguments) >= _MAX_CALLS:
                message = f"{self._exchange.origin.label} called more than {_MAX_CALLS} tools at once."
                raise self._exchange.fail(InvalidProviderResponse(message, origin=self._exchange.origin))
            arguments = self._arguments[known[1]] = KeyFilter(self._exchange.key)
            name: str | None = call.function.name or None
            return ToolCallPiece(known[1], known[0], name, arguments.add(call.function.arguments or ""))
        return ToolCallPiece(known[1], None, None, self._arguments[known[1]].add(call.function.arguments or ""))


def _shows(delta: Delta) -> bool:
    """Tell whether anything is in it: a filter may have held everything back."""
    match delta:
        case TextDelta(text) | ReasoningTextDelta(text):
            return bool(text)
        case ToolCallPiece():
            return bool(delta.id or delta.name or delta.arguments)
        case _:
            return True


def _ending(exchange: Exchange) -> Iterator[Delta]:
    """Give usage and finish as the wire said them; litellm invents both when they are missing."""
    reading = exchange.reader.reading if exchange.reader else None
    if exchange.error is not None:
        raise exchange.error
    if reading is None or reading.finish is None:
        raise exchange.fail(StreamInterrupted(origin=exchange.origin))
    if reading.usage is not None:
        yield UsageReport(reading.usage)
    yield Finish(reading.finish)


async def _close(chunks: Any) -> None:  # noqa: ANN401 - a litellm CustomStreamWrapper, or None
    """Close litellm's generators; the socket is closed by the exchange whatever happens here."""
    for part in (getattr(chunks, "completion_stream", None), chunks):
        close = getattr(part, "aclose", None)
        if close is None:
            continue
        try:
            async with asyncio.timeout(_CLOSE_S):
                await close()
        except Exception as error:  # noqa: BLE001 - a library's clean-up must not hide how the answer ended
            _log.debug("litellm.close_failed", kind=type(error).__name__)
