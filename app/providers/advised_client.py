"""A model client that knows which models could have been meant when a provider does not know one."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import final

from app.errors import ModelNotFound
from app.providers.model import Delta, ModelClient, ModelRequest
from app.providers.model_lookup import ModelLookup


@final
class AdvisedClient:
    """A `ModelClient` around another one; nothing is between it and the deltas."""

    def __init__(self, client: ModelClient, models: ModelLookup) -> None:
        """Call through `client`."""
        self._client = client
        self._models = models

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        """Do what `ModelClient.stream` does; `ModelNotFound` comes with suggestions from the list of the same key."""
        route, api_key, own_key = request.route, request.api_key, request.own_key
        self._models.prepare(route, api_key, own_key=own_key)
        try:
            async with self._client.stream(request) as deltas:
                yield deltas
        except ModelNotFound as error:
            await self._models.advise(error, route, api_key, own_key=own_key)
            raise
