"""HTTP/1.1 as the server reads it: a request's head may be only so large and take only so long."""

import asyncio
import uuid
from typing import Any, Final

import orjson
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import ErrorBody, InvalidInput
from app.sse import CUT, DIRECT

MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together, give or take one slice."""
_SLICE: Final = 16 * 1024
HEAD_SECONDS: Final = 10.0
"""From an open connection, or the first byte of a later request, to the end of the headers."""
LINGER_SECONDS: Final = 2.0
"""How long a refused client may take to hear so."""
_REASONS: Final = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with two limits it has not: how large a request's head may be and how long it may take."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own arguments, passed on
        """Take what uvicorn gives."""
        super().__init__(*args, **kwargs)
        self._reading_head = False
        self._head_bytes = 0
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        # In slices, as one read may hold more than a head may have.
        for start in range(0, len(data), _SLICE):
            if self._refused or self.transport.is_closing():
                return
            piece, waiting = data[start : start + _SLICE], self._reading_head
            super().data_received(piece)
            self._bound_idle()
            if waiting and self._reading_head:
                self._head_bytes += len(piece)
            if self._head_bytes > MAX_HEAD_BYTES:
                text = f"The headers are larger than {MAX_HEAD_BYTES} bytes."
                self._refuse(431, text, "Send fewer or shorter headers.")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading_head = True
        self._await_head()

    @override
    def on_headers_complete(self) -> None:
        self._head_is_here()
        # A connection that is only closed stays until the client has taken what is in its buffer.
        self.scope["extensions"] = {CUT: {"now": self.transport.abort}}
        super().on_headers_complete()
        # What a stream sends after its head concerns no middleware, and there are six of them.
        self.scope["extensions"][DIRECT] = {"send": self.cycle.send}

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg, "Send a valid HTTP/1.1 request.")

    def _bound_idle(self) -> None:
        """Let an idle connection end in time, also after bytes that begin no request: uvicorn has stopped its clock."""
        idle = self.cycle and self.cycle.response_complete and not self._reading_head
        if idle and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            closing = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
            self.timeout_keep_alive_task = closing

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _head_is_here(self) -> None:
        self._reading_head, self._head_bytes = False, 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._refuse(408, f"The request did not arrive within {HEAD_SECONDS:g} seconds.", "Send it again.")

    def _refuse(self, status: int, message: str, action: str) -> None:
        """Answer below the app, in the same shape as the app, and close; nothing further is read."""
        self._head_is_here()
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if self.pipeline or (self.cycle and not self.cycle.response_complete):
            self.transport.close()  # anything written now would land inside another answer
            return
        request_id = uuid.uuid4().hex
        error = InvalidInput(message, action=action, http_status=status)
        body = ErrorBody(error=error, request_id=request_id).as_dict()
        self.transport.write(_response(status, orjson.dumps(body), request_id))
        # Closing while the client still sends would reset the connection, and the answer would be lost with it.
        self.transport.write_eof()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _response(status: int, body: bytes, request_id: str) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
