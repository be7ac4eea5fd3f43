"""Bearer tokens from the configuration, compared in constant time."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import final

from typing_extensions import override

from app.auth.caller import Authenticator, Caller
from app.errors import NotAuthenticated
from app.secret import Secret


@final
class StaticTokens(Authenticator):
    """Knows the digests of a few tokens; no other header ever names a caller."""

    def __init__(self, tokens: Mapping[str, Secret]) -> None:
        """Take the token of each user id; all tokens differ."""
        self._digests = {_digest(token.reveal()): user_id for user_id, token in tokens.items()}

    @override
    async def identify(self, headers: Mapping[str, str], *, method: str) -> Caller:
        """Give the owner of the bearer token; raises `NotAuthenticated`."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = _digest(token.strip())
        user_id: str | None = None
        for digest, owner in self._digests.items():
            # Every digest is compared, so the time tells nothing about which one was close.
            if hmac.compare_digest(digest, given):
                user_id = owner
        if user_id is None or scheme.lower() != "bearer":
            raise NotAuthenticated
        return Caller(user_id=user_id, method="static_token")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
