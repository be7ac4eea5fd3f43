"""Sends each call down the lane of its route."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import final

from app.providers.model import Delta, ModelClient, ModelRequest
from app.providers.provider import Lane


@final
class Lanes:
    """A `ModelClient` over those of the lanes; both stay their owner's."""

    def __init__(self, *, native: ModelClient, litellm: ModelClient) -> None:
        """Take one client for each lane."""
        self._native = native
        self._litellm = litellm

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Open one call; see `ModelClient`."""
        match request.route.lane:
            case Lane.NATIVE:
                return self._native.stream(request)
            case Lane.LITELLM:
                return self._litellm.stream(request)
