"""The ways to say who one is, and which of them a request uses."""

from collections.abc import Mapping
from typing import Final, final

from typing_extensions import override

from app.auth.caller import Authenticator, Caller
from app.auth.voyage_session import COOKIE, read_cookies
from app.errors import NotAuthenticated
from app.secret import SERVICE_PREFIX

_NO_WAY: Final = "Ask the operator to set GATEWAY_AUTH_METHODS."


@final
class Methods(Authenticator):
    """Hands each request to the one way that it uses; a token that is refused is never tried as anything else."""

    def __init__(
        self,
        *,
        voyage_session: Authenticator | None = None,
        service_tokens: Authenticator | None = None,
        static_tokens: Authenticator | None = None,
    ) -> None:
        """Take the ways that are on."""
        self._voyage_session = voyage_session
        self._service_tokens = service_tokens
        self._static_tokens = static_tokens

    @override
    async def identify(self, headers: Mapping[str, str], *, method: str) -> Caller:
        """Give the caller by the bearer token, or without one by the session cookie.

        Raises what that way raises, and `NotAuthenticated` for a request that uses none or one that is off. Another
        scheme than Bearer is no token: a proxy in front may ask for a password of its own.
        """
        scheme, *rest = headers.get("authorization", "").split(maxsplit=1) or [""]
        if scheme.lower() == "bearer":
            is_service = "".join(rest).startswith(SERVICE_PREFIX)
            way, name = (self._service_tokens, "Service") if is_service else (self._static_tokens, "Static")
            wrong = f"{name} tokens are switched off here."
        elif any(read_cookies(headers.get("cookie", "")).get(COOKIE, ())):
            way, wrong = self._voyage_session, "Sessions of Voyage are switched off here."
        else:
            way, wrong = None, None
        if way is None:
            raise NotAuthenticated(wrong, action=self._ways())
        return await way.identify(headers, method=method)

    def _ways(self) -> str:
        texts = [
            *(["sign in to Voyage"] if self._voyage_session else []),
            *([f"send a service token (Authorization: Bearer {SERVICE_PREFIX}...)"] if self._service_tokens else []),
            *(["send a token of the operator (Authorization: Bearer ...)"] if self._static_tokens else []),
        ]
        text = " or ".join(texts)
        return f"{text[0].upper()}{text[1:]}." if text else _NO_WAY
