"""Sends the one request of an exchange and lets only a success through."""

import asyncio
from collections.abc import Mapping
from typing import Final

from app.errors import GatewayError
from app.providers import classify
from app.providers.error_body import read_error_body
from app.providers.exchange import Exchange
from app.providers.transport import Sender, UpstreamResponse

_SUCCESS: Final = 200


async def send(  # noqa: PLR0913 - the parts of one HTTP request
    transport: Sender, exchange: Exchange, method: str, url: str, *, headers: Mapping[str, str], body: bytes
) -> UpstreamResponse:
    """Give the response once its head is here; it is closed with the stack of `exchange`.

    Raises what `Transport.request` raises, and the error that `classify` finds for a status other than 200.
    """
    begun = asyncio.get_running_loop().time()
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
        raise await _refusal(exchange, response, begun)
    return response


async def _refusal(exchange: Exchange, response: UpstreamResponse, begun: float) -> GatewayError:
    """Give the error of a status; it stands in the exchange before its body is waited for.

    So a deadline of the call that comes meanwhile, as after a long wait for the lane, raises it too.
    """
    exchange.fail(_classified(exchange, response, b""))
    limits = exchange.request.deadlines
    spent_s = asyncio.get_running_loop().time() - begun
    said = await read_error_body(response, left_s=min(limits.first_token_s, limits.total_s) - spent_s)
    exchange.error = _classified(exchange, response, said)
    return exchange.error


def _classified(exchange: Exchange, response: UpstreamResponse, said: bytes) -> GatewayError:
    return classify.refusal(
        response.status,
        response.headers,
        said,
        origin=exchange.origin,
        key=exchange.key,
        mismatch=exchange.request.route.provider.mismatch,
    )
