"""Who is calling: the result of authentication, and the port behind which the ways to find out stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated party of one request."""

    user_id: str
    """Owner of the rows this request may see."""
    method: str
    """How it was found out: `dev` or `token`."""


class Authenticator(Protocol):
    """Finds out who is calling."""

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """Give the caller; raises `NotAuthenticated` or `AuthUnavailable`. Header names are in lower case."""
        ...
