"""What an exception of litellm means when the wire itself gave no reason."""

from collections.abc import Iterator
from typing import Any, Final

from app import errors
from app.errors import GatewayError, Origin
from app.providers import classify
from app.secret import Secret

_DEPTH: Final = 24


def explain(error: BaseException, *, origin: Origin, key: Secret | None) -> GatewayError:
    """Give the typed error; a response anywhere in the chain of causes outranks the class that litellm chose."""
    causes = list(chain(error))
    for cause in causes:
        if isinstance(cause, GatewayError):
            return cause
    for cause in causes:
        response: Any = getattr(cause, "response", None)
        status: object = getattr(response, "status_code", None)
        if isinstance(status, int) and type(cause).__module__.startswith(("httpx", "openai")):
            return classify.refusal(status, {}, b"", origin=origin, key=key)
    names = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    if names & {"ImportError"}:
        return errors.InternalError("A library that this provider needs is not installed.", origin=origin)
    if names & {"ContextWindowExceededError"}:
        return errors.ContextLengthExceeded(origin=origin)
    if names & {"BadRequestError", "UnsupportedParamsError"}:
        message = f"This request cannot be put into the form that {origin.label} wants."
        return errors.InvalidRequest(message, origin=origin, action="Send it without unusual parameters or tools.")
    return errors.UnknownError(origin=origin)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Walk causes, contexts and litellm's `original_exception`, each once and not deeper than anyone nests them."""
    seen: set[int] = set()
    waiting = [error]
    while waiting and len(seen) < _DEPTH:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        found: list[object] = [getattr(current, "original_exception", None), current.__cause__, current.__context__]
        waiting += [cause for cause in found if isinstance(cause, BaseException)]
