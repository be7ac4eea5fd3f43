"""Who is calling: the result of authentication, and the port behind which the ways to find out stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from app.secret import Secret


class Scope(StrEnum):
    """What a caller may do."""

    CHAT = "chat"
    """Conversations, runs, providers: everything below /api/chat."""
    SETTINGS = "settings"
    """Provider keys and AI settings: everything below /api/integrations."""
    ACT_AS = "act_as"
    """Name another user as the one to act for; service tokens only."""


PERSON: Final = frozenset({Scope.CHAT, Scope.SETTINGS})
"""What a person may do with what is theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated party of one request."""

    user_id: str
    """Owner of the rows this request may see."""
    method: str
    """How it was found out: `dev`, `static_token`, `service_token` or `voyage_session`."""
    scopes: frozenset[Scope] = PERSON
    session: Secret | None = field(default=None, repr=False)
    """The caller's own session at Voyage, to fetch what Voyage lets them see."""


class Authenticator(Protocol):
    """Finds out who is calling."""

    async def identify(self, headers: Mapping[str, str], *, method: str) -> Caller:
        """Give the caller of a request with this HTTP method; header names are in lower case.

        Raises `NotAuthenticated`, `Forbidden` or `AuthUnavailable`.
        """
        ...
