"""Reads what stands behind an error status: the status is known, so nothing that its body does hides it."""

import asyncio
from contextlib import suppress
from typing import Final

from app.errors import GatewayError
from app.providers import classify
from app.providers.transport import UpstreamResponse

MOST_S: Final = 2.0
"""Seconds that an error's body may take; those of all known providers come with the head."""


async def read_error_body(response: UpstreamResponse, *, left_s: float) -> bytes:
    """Give what comes of the body, at most `classify.BODY_LIMIT` bytes; nothing of a compressed one.

    It takes at most `MOST_S`, and half of the `left_s` seconds after which the caller is ended from outside. Raises
    nothing: a body that stalls, drips, breaks off or goes beyond a limit gives what came before.
    """
    said = bytearray()
    with suppress(TimeoutError, GatewayError):
        async with asyncio.timeout(min(MOST_S, max(left_s, 0.0) / 2)):
            while len(said) < classify.BODY_LIMIT and (chunk := await response.readany()):
                said += chunk
    return bytes(said[: classify.BODY_LIMIT])
