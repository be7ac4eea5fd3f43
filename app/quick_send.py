"""The way of an ordinary message into its route, without the framework's search for parameters.

A message waits for that search, which takes longer than all checks of what it finds. Whatever is not ordinary goes
the framework's way, which answers for it.
"""

from collections.abc import Callable, Coroutine
from inspect import signature
from typing import Any, Final, final
from uuid import UUID

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from typing_extensions import override

from app.deps import UUID_FORM, identify_chat, services_of
from app.schemas.send_message import SendMessageBody

_FILLED: Final = {"caller", "services", "conversation_id", "body", "request", "idempotency_key"}


@final
class QuickSend(APIRoute):
    """The route class of `send_message`: same parameters, same order of refusals, see `docs/decisions/0037`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - the framework's own, passed on
        """Declare the route as the framework does; raises `TypeError` for one that has more than is filled in here."""
        if set(signature(endpoint).parameters) != _FILLED or options.get("dependencies"):
            message = "QuickSend fills in other parameters"
            raise TypeError(message)
        super().__init__(path, endpoint, **options)

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give what answers a request."""
        declared = super().get_route_handler()
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            target: str = request.path_params["conversation_id"]
            body = await _body(request)
            if body is None or not UUID_FORM.fullmatch(target):
                return await declared(request)
            return await endpoint(
                caller=await identify_chat(request),
                services=await services_of(request),
                conversation_id=UUID(target),
                body=body,
                request=request,
                idempotency_key=request.headers.get("idempotency-key"),
            )

        return handle


async def _body(request: Request) -> SendMessageBody | None:
    """Give the body where there is one, and it is as it should be; the middlewares have seen that it is JSON."""
    try:
        return SendMessageBody.model_validate(await request.json()) if await request.body() else None
    except (ClientDisconnect, ValidationError):
        return None
