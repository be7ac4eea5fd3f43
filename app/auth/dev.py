"""The dev mode's caller: one person on their own machine, behind the loopback guard."""

from collections.abc import Mapping
from typing import Final, final

from typing_extensions import override

from app.auth.caller import Authenticator, Caller

DEV_CALLER: Final = Caller(user_id="dev", method="dev")


@final
class DevAuthenticator(Authenticator):
    """Knows one caller and asks for nothing."""

    @override
    async def identify(self, headers: Mapping[str, str], *, method: str) -> Caller:
        """Give the dev caller."""
        return DEV_CALLER
