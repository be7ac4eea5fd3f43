"""How the framework's own failures become the gateway's; registered once, by `main`."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from app.errors import GatewayError, InternalError, InvalidInput, NotFound
from app.intake.answer import answer
from app.intake.request_id import request_id_of
from app.intake.validation import explain

_NOT_FOUND = NotFound.status
_NOT_ALLOWED = 405
_SERVER = 500


def add_handlers(app: FastAPI) -> None:
    """Make every error of `app` one of ours; what remains is a bug and goes to `Failures`."""
    app.add_exception_handler(GatewayError, _typed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_framework)


async def _typed(request: Request, error: Exception) -> Response:
    failure = error if isinstance(error, GatewayError) else InternalError()
    return answer(failure, request_id=request_id_of(request.scope))


async def _invalid(request: Request, error: Exception) -> Response:
    problems: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
    return answer(explain(problems), request_id=request_id_of(request.scope))


async def _of_framework(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else _SERVER
    allow = None
    if status == _NOT_FOUND:
        failure: GatewayError = NotFound("There is nothing at this address.", action="Check the path.")
    elif status == _NOT_ALLOWED:
        allow = ", ".join(_methods(request))
        failure = InvalidInput("This address does not take this method.", action=f"Use {allow}.", http_status=status)
    elif status < _SERVER:
        failure = InvalidInput(http_status=status)
    else:
        failure = InternalError()
    return answer(failure, request_id=request_id_of(request.scope), allow=allow)


def _methods(request: Request) -> list[str]:
    """Give what the address takes, over all its routes: the framework only looks at the first one."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        path = getattr(route, "path", None)
        if path is not None and compile_path(path)[0].match(request.scope["path"]):
            found |= set(getattr(route, "methods", None) or ())
    return sorted(found)
