"""Another way to an answer, after the first one has failed."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from app.errors import GatewayError
from app.providers.model import ModelRequest
from app.runs.plan import Plan


class Detour(NamedTuple):
    """Another way to an answer, after the first one has failed."""

    request: ModelRequest
    left_out: int
    """Messages of the history that it does not hold."""
    plan: Plan
    """What the steps after this one go by."""


Elsewhere = Callable[[GatewayError], Awaitable[Detour | None]]


async def nowhere_else(_: GatewayError) -> None:
    """Know no other way."""
