"""The gateway in the place of Voyage's own chat: Voyage behind it, and two people at the unchanged frontend."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.routers.gateway import Gateway, open_gateway
from tests.runs.scripted import Step
from tests.stream_check import CheckedTransport
from tests.voyage.chat_page import ChatPage, Trip
from tests.voyage.fake import FakeVoyage
from tests.voyage.frontend import Frontend
from tests.voyage.settings_page import SettingsPage

ORIGIN: Final = "http://localhost:8015"
ADA: Final = 7
BOB: Final = 8
"""Their account numbers in Voyage."""


@dataclass(frozen=True)
class DropIn:
    """`gateway.http` and `gateway.bob` are signed in only where `auth_methods` has static_tokens."""

    gateway: Gateway
    base_url: str
    voyage: FakeVoyage
    ada: Frontend
    bob: Frontend
    nobody: Frontend
    """Somebody who is not signed in."""

    async def chat(
        self, frontend: Frontend | None = None, trip: Trip | None = None, *, storage: dict[str, str] | None = None
    ) -> ChatPage:
        """Open the chat, Ada's by default; `storage` of an earlier page makes it a reload."""
        page = ChatPage(frontend or self.ada, trip, storage=storage)
        await page.load()
        return page

    async def settings(self, frontend: Frontend | None = None) -> SettingsPage:
        """Open the settings page, Ada's by default."""
        page = SettingsPage(frontend or self.ada)
        await page.load()
        return page


@asynccontextmanager
async def open_drop_in(database_url: str, *scripts: Iterable[Step], **settings: Any) -> AsyncGenerator[DropIn]:
    """Run it with the models of `scripts`; `settings` are changes to those of `tests.routers.gateway`."""
    async with FakeVoyage() as voyage:
        given = {"auth_methods": "voyage_session", "voyage_url": voyage.base_url, "trusted_origins": ORIGIN}
        async with open_gateway(database_url, *scripts, **given | settings) as gateway:
            base_url = str(gateway.http.base_url).rstrip("/")
            async with (
                _frontend(base_url, voyage, voyage.sign_in(ADA, "ada")) as ada,
                _frontend(base_url, voyage, voyage.sign_in(BOB, "bob")) as bob,
                _frontend(base_url, voyage, None) as nobody,
            ):
                yield DropIn(gateway, base_url, voyage, ada, bob, nobody)


def _frontend(base_url: str, voyage: FakeVoyage, sessionid: str | None) -> Frontend:
    return Frontend(base_url, voyage.base_url, sessionid, ORIGIN, transport=CheckedTransport())
