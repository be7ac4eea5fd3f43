"""The answer to a request whose body nobody will read."""

import asyncio
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from app.errors import GatewayError
from app.intake.answer import answer
from app.intake.request_id import request_id_of

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 16_000_000


async def refuse(error: GatewayError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, drop the rest of the body for a moment, close.

    Closing a socket that still has unread bytes makes the kernel reset it, and the caller may then lose the answer
    while it is still sending; so the answer goes out first and its last, empty part only after the rest was taken.
    """
    response = answer(error, request_id=request_id_of(scope))
    response.headers["Connection"] = "close"

    async def hold_open(message: Message) -> None:
        last = message["type"] == "http.response.body"
        await send({**message, "more_body": True} if last else message)

    await response(scope, receive, hold_open)
    await _drop_rest(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop_rest(receive: Receive) -> None:
    dropped = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while dropped < LINGER_BYTES:
                message = await receive()
                dropped += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
