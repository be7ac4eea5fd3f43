"""An error as an HTTP response; there is no other way in which this service answers one."""

from typing import Final

import orjson
from starlette.responses import Response

from app.errors import ErrorBody, GatewayError, NotAuthenticated

_MEDIA_TYPE: Final = "application/json"


def answer(error: GatewayError, *, request_id: str | None, allow: str | None = None) -> Response:
    """Give the response for `error`; `allow` is the Allow header of a 405."""
    headers: dict[str, str] = {"Cache-Control": "no-store"}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(0, -int(-error.retry_after_s // 1)))
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if allow is not None:
        headers["Allow"] = allow
    body = orjson.dumps(ErrorBody(error=error, request_id=request_id).as_dict())
    return Response(body, status_code=error.http_status, headers=headers, media_type=_MEDIA_TYPE)
