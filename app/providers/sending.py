"""Sends the one request of an exchange and lets only a success through."""

import asyncio
from collections.abc import Mapping
from typing import Final

from app.errors import StreamInterrupted
from app.providers import classify
from app.providers.exchange import Exchange
from app.providers.transport import Sender, UpstreamResponse

_ERROR_BODY_S: Final = 10.0
_SUCCESS: Final = 200


async def send(  # noqa: PLR0913 - the parts of one HTTP request
    transport: Sender, exchange: Exchange, method: str, url: str, *, headers: Mapping[str, str], body: bytes
) -> UpstreamResponse:
    """Give the response once its head is here; it is closed with the stack of `exchange`.

    Raises what `Transport.request` raises, and the error that `classify` finds for a status other than 200.
    """
    response = await exchange.stack.enter_async_context(
        transport.request(
            method,
            url,
            headers=headers,
            body=body,
            deadlines=exchange.request.deadlines,
            origin=exchange.origin,
            guarded=exchange.request.route.guarded,
        )
    )
    if response.status != _SUCCESS:
        said = await _error_body(response)
        raise classify.refusal(
            response.status,
            response.headers,
            said,
            origin=exchange.origin,
            key=exchange.key,
            mismatch=exchange.request.route.provider.mismatch,
        )
    return response


async def _error_body(response: UpstreamResponse) -> bytes:
    """Give the beginning of an error's body, or nothing where it does not come: the status says enough."""
    try:
        async with asyncio.timeout(_ERROR_BODY_S):
            return await response.read(classify.BODY_LIMIT)
    except (TimeoutError, StreamInterrupted):
        return b""
