"""Calls a model through litellm: it translates requests and deltas, and decides nothing else.

Time limits, ends, errors, usage and sockets are the lane's own; see `docs/decisions/0003`.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from enum import StrEnum
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.errors import (
    GatewayError,
    InvalidProviderResponse,
    NotReady,
    Phase,
    UnknownError,
)
from app.providers import litellm_errors, litellm_loading, litellm_request
from app.providers.call_deadline import CallDeadline
from app.providers.exchange import Exchange
from app.providers.model import Delta, ModelRequest
from app.providers.pieces import Pieces
from app.providers.provider import Wire
from app.providers.transport import Sender

if TYPE_CHECKING:
    import httpx

    from app.providers.litellm_bridge import LitellmBridge

_CLOSE_S: Final = 1.0
_PASSING: Final = (OSError, MemoryError, ImportError)
"""What a machine that is short of files, memory or a disk makes of an import."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
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
    """A `ModelClient` over litellm, which is loaded at the first call. One per process, used in one event loop."""

    def __init__(
        self,
        transport: Sender,
        *,
        loader: Callable[[], ModuleType] = litellm_loading.load,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Send through `transport`; nothing is imported before `load` runs `loader` in a thread."""
        self.state = LoadState.WAITING
        self.needed = False
        """Whether the process is of no use without it."""
        self._loading: asyncio.Task[None] | None = None
        self._loader = loader
        self._sleep = sleep
        self.bridge: LitellmBridge | None = None
        """Where everything that litellm sends must pass; there as soon as litellm is."""
        self._transport = transport
        self._exchanges: dict[str, Exchange] = {}
        self._loaded = asyncio.Event()
        self._litellm: Any = None
        self._handler: Any = None
        self._cached_handler: Any = None
        self._http: httpx.AsyncClient | None = None
        self._no_limit: httpx.Timeout | None = None

    def begin_loading(self, *, needed: bool = False) -> None:
        """Get litellm ready meanwhile, unless that is done or being done; `close` ends it."""
        self.needed = self.needed or needed
        if self._loading is None and self.state is LoadState.WAITING and not self._loaded.is_set():
            self.state = LoadState.LOADING
            self._loading = asyncio.create_task(self.load(), name="load litellm")

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
            self.use(await litellm_loading.in_daemon_thread(self._loader))
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
        import httpx  # noqa: PLC0415 - loaded by now
        from litellm.llms.custom_httpx import http_handler  # noqa: PLC0415 - see above

        from app.providers.litellm_bridge import LitellmBridge  # noqa: PLC0415 - imports httpx

        self.bridge = LitellmBridge(self._transport, self._exchanges)
        self._no_limit = httpx.Timeout(None)
        handlers: Any = http_handler
        self._cached_handler = handlers.get_async_httpx_client
        self._handler = handlers.AsyncHTTPHandler(transport=self.bridge, follow_redirects=False)
        self._http = httpx.AsyncClient(transport=self.bridge, follow_redirects=False, trust_env=False)
        # Last: whatever fails before leaves a lane that is not ready.
        self._litellm = module
        self._loaded.set()

    async def close(self) -> None:
        """End the loading, and close what litellm was given."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait({self._loading})
        if self._http is not None:
            await self._http.aclose()
        if self._handler is not None:
            await self._handler.close()

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        """Open one call; see `ModelClient`."""
        exchange = Exchange(request, id=secrets.token_hex(16))
        deltas = self._deltas(exchange)
        self._exchanges[exchange.id] = exchange
        try:
            yield deltas
        finally:
            self._exchanges.pop(exchange.id, None)
            await deltas.aclose()

    async def _deltas(self, exchange: Exchange) -> AsyncGenerator[Delta]:
        clock, translation = CallDeadline(exchange), _Translation(exchange)
        chunks: Any = None
        failure: GatewayError | None = None
        try:
            try:
                self.begin_loading()
                with clock:
                    await self._loaded.wait()
                    chunks = await self._call(exchange.request, exchange)
                    iterator = aiter(chunks)
                while True:
                    with clock:
                        chunk: Any = await anext(iterator)
                    for delta in translation.deltas(chunk):
                        clock.progress()
                        yield delta
            except StopAsyncIteration:
                pass
            except TimeoutError:
                # An answer that is whole is not made a failure by what may follow it.
                failure = None if exchange.finished else exchange.fail(clock.explain())
            except Exception as error:  # noqa: BLE001 - litellm raises bare ValueErrors and worse; all become typed
                failure = self._explain(exchange, error)
            for delta in translation.end():
                yield delta
            if failure is not None:
                raise failure
            for delta in exchange.ending():
                yield delta
        finally:
            clock.close()
            # The socket first: generation and billing go on until it is closed, and litellm's own close may wait.
            await exchange.stack.aclose()
            await _close(chunks)

    async def _call(self, request: ModelRequest, exchange: Exchange) -> Any:  # noqa: ANN401 - litellm's own type
        if self._litellm is None:
            raise NotReady(origin=exchange.origin)
        arguments = litellm_request.arguments(request, {litellm_request.EXCHANGE_HEADER: exchange.id})
        return await self._litellm.acompletion(
            **arguments, client=self._client(request, arguments), timeout=self._no_limit
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
        self._pieces = Pieces(exchange.key, exchange.origin)

    def deltas(self, chunk: Any) -> Iterator[Delta]:  # noqa: ANN401 - a litellm ModelResponseStream
        pieces = self._pieces
        for choice in chunk.choices[:1]:
            delta = choice.delta
            if reasoning := getattr(delta, "reasoning_content", None):
                pieces.reasoning(reasoning)
            if delta.content:
                pieces.text(delta.content)
            for call in delta.tool_calls or ():
                self._call(call)
        pieces.flush()
        return self._ready()

    def end(self) -> Iterator[Delta]:
        """Give what was held back in case a key began there."""
        self._pieces.end()
        return self._ready()

    def _call(self, call: Any) -> None:  # noqa: ANN401 - a litellm ChatCompletionDeltaToolCall
        try:
            self._pieces.call(call.index, call.id or None, call.function.name or None, call.function.arguments or "")
        except InvalidProviderResponse as error:
            raise self._exchange.fail(error) from None

    def _ready(self) -> Iterator[Delta]:
        while self._pieces.ready:
            yield self._pieces.ready.popleft()


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
