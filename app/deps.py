"""What the routes are given: the services of this process, the caller, and ids out of the path.

All of it is `async`, as FastAPI would run each plain function in a thread.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Path, Request, Response
from pydantic import BeforeValidator
from starlette.datastructures import Headers

from app.auth.caller import Authenticator, Caller, Scope
from app.db.session import Database
from app.doctor.desk import Doctor
from app.errors import Forbidden, InvalidInput, KeyStorageNotConfigured, NotFound
from app.providers.circuit import Circuits
from app.providers.families import Families
from app.providers.litellm_lane import LitellmLane
from app.providers.models_cache import ModelsCache
from app.providers.registry import Registry
from app.providers.transport import Transport
from app.runs.hub import RunHub
from app.runs.readers import Readers
from app.runs.runner import Runner
from app.settings import Settings
from app.sse import StreamLimits
from app.vault import Vault
from app.voyage.client import VoyageClient

END_SECONDS: Final = 4.0
"""What streams get, after the grace, to end by themselves; less than what the server gives its connections."""
_DECIDING: Final = frozenset({"authorization", "origin", "referer", "x-csrftoken", "x-on-behalf-of"})
UUID_FORM: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that lives as long as the process; opened and closed by the lifespan of `main`."""

    settings: Settings
    authenticator: Authenticator
    database: Database
    vault: Vault | None
    """None where no master key is set: everything works but users' own keys."""
    registry: Registry
    transport: Transport
    lane: LitellmLane | None
    """None where another client calls the models."""
    models: ModelsCache
    families: Families
    """Which wire a model is called on."""
    circuits: Circuits
    """Which providers are left alone for a while."""
    voyage: VoyageClient | None
    """None where no Voyage is configured: nobody signs in with it, and no trip can be read."""
    hub: RunHub
    readers: Readers
    runner: Runner
    doctor: Doctor

    def begin_shutdown(self) -> None:
        """Take no new runs, and end the live ones within the grace; for the server's signal handler, in the loop."""
        self.hub.begin_shutdown()
        self.readers.leave()
        self.doctor.begin_shutdown()


def stream_limits(settings: Settings) -> StreamLimits:
    """Give the times of a stream."""
    return StreamLimits(
        ping_s=settings.ping_seconds,
        send_s=settings.send_timeout_seconds,
        grace_s=settings.shutdown_grace_seconds + END_SECONDS,
    )


async def services_of(request: Request) -> Services:
    """Give the services of the application that serves this request."""
    services: Services = request.app.state.services
    return services


async def left(request: Request) -> None:
    """Wait until the caller has closed the connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


ServicesDep = Annotated[Services, Depends(services_of)]


# One dependency for each thing: the framework takes longer over a dependency than it takes to read a header.
async def chat_caller(request: Request, response: Response) -> Caller:
    """Give a caller who may chat; raises `NotAuthenticated`, `Forbidden` or `AuthUnavailable`."""
    _forbid_caching(response)
    return await identify_chat(request)


async def identify_chat(request: Request) -> Caller:
    """Do what `chat_caller` does, for a route that makes its own response."""
    return _with_scope(await _identify(request), Scope.CHAT)


async def settings_caller(request: Request, response: Response) -> Caller:
    """Give a caller who may see and change their settings; raises what `chat_caller` raises."""
    _forbid_caching(response)
    return _with_scope(await _identify(request), Scope.SETTINGS)


ChatCallerDep = Annotated[Caller, Depends(chat_caller)]
SettingsCallerDep = Annotated[Caller, Depends(settings_caller)]
"""Every route below /api depends on one of the two."""


def _forbid_caching(response: Response) -> None:
    # What one person is told is nothing for a cache that another one asks.
    response.headers["Cache-Control"] = "no-store"


async def _identify(request: Request) -> Caller:
    services = await services_of(request)
    return await services.authenticator.identify(_single(request.headers), method=request.method)


def _with_scope(caller: Caller, scope: Scope) -> Caller:
    if scope not in caller.scopes:
        message = f"This token has not the scope {scope.value}."
        raise Forbidden(message, action=f"Use a token with it: llm-gateway tokens create --scope {scope.value}.")
    return caller


async def open_vault(services: ServicesDep) -> Vault:
    """Give the vault; raises `KeyStorageNotConfigured`. Asked before who is calling, as Voyage does."""
    if services.vault is None:
        raise KeyStorageNotConfigured
    return services.vault


VaultDep = Annotated[Vault, Depends(open_vault)]


def _single(headers: Headers) -> dict[str, str]:
    """Give each header once; where it decides, one that comes twice is refused: two readers could believe two things.

    Cookies may come in several headers, which mean one (RFC 9113, section 8.2.3).
    """
    found: dict[str, str] = {}
    for name, value in headers.items():
        if name not in found:
            found[name] = value
        elif name in _DECIDING:
            text = f"The header {name} came more than once."
            raise InvalidInput(text, action="Send it once.", fields={name: [text]})
        elif name == "cookie":
            found[name] = f"{found[name]}; {value}"
    return found


def _id(name: str) -> BeforeValidator:
    """Refuse what is no UUID: a malformed id is as unknown as any other."""

    def check(text: object) -> object:
        if isinstance(text, str) and not UUID_FORM.fullmatch(text):
            raise NotFound(fields={name: ["This is not a UUID."]})
        return text

    return BeforeValidator(check)


ConversationId = Annotated[UUID, Path(), _id("conversation_id")]
RunId = Annotated[UUID, Path(), _id("run_id")]
MessageId = Annotated[UUID, Path(), _id("message_id")]
CredentialId = Annotated[UUID, Path(), _id("credential_id")]
SettingsId = Annotated[UUID, Path(), _id("settings_id")]
