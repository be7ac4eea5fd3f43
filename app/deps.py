"""What the routes are given: the services of this process, the caller, and ids out of the path.

All of it is `async`, as FastAPI would run each plain function in a thread.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Path, Request, Response
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
_DECIDING: Final = ("authorization", "origin", "referer", "x-csrftoken", "x-on-behalf-of")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


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


async def identify(request: Request, response: Response, services: ServicesDep) -> Caller:
    """Give the caller; raises `NotAuthenticated`, `Forbidden` or `AuthUnavailable`."""
    # What one person is told is nothing for a cache that another one asks.
    response.headers["Cache-Control"] = "no-store"
    return await services.authenticator.identify(_single(request.headers), method=request.method)


async def chat_caller(caller: Annotated[Caller, Depends(identify)]) -> Caller:
    """Give a caller who may chat; raises `Forbidden`."""
    return _with_scope(caller, Scope.CHAT)


async def settings_caller(caller: Annotated[Caller, Depends(identify)]) -> Caller:
    """Give a caller who may see and change their settings; raises `Forbidden`."""
    return _with_scope(caller, Scope.SETTINGS)


ChatCallerDep = Annotated[Caller, Depends(chat_caller)]
SettingsCallerDep = Annotated[Caller, Depends(settings_caller)]
"""Every route below /api depends on one of the two."""


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
    for name in _DECIDING:
        if len(headers.getlist(name)) > 1:
            text = f"The header {name} came more than once."
            raise InvalidInput(text, action="Send it once.", fields={name: [text]})
    return {**headers, "cookie": "; ".join(headers.getlist("cookie"))}


def _id_in_path(text: str, name: str) -> UUID:
    if not _UUID.fullmatch(text):
        raise NotFound(fields={name: ["This is not a UUID."]})
    return UUID(text)


async def conversation_id(conversation_id: Annotated[str, Path()]) -> UUID:
    """Read the id of a conversation; a malformed one is as unknown as any other."""
    return _id_in_path(conversation_id, "conversation_id")


async def run_id(run_id: Annotated[str, Path()]) -> UUID:
    """Read the id of a run."""
    return _id_in_path(run_id, "run_id")


async def message_id(message_id: Annotated[str, Path()]) -> UUID:
    """Read the id of a message."""
    return _id_in_path(message_id, "message_id")


async def credential_id(credential_id: Annotated[str, Path()]) -> UUID:
    """Read the id of a credential."""
    return _id_in_path(credential_id, "credential_id")


async def settings_id(settings_id: Annotated[str, Path()]) -> UUID:
    """Read the id of AI settings."""
    return _id_in_path(settings_id, "settings_id")


ConversationId = Annotated[UUID, Depends(conversation_id)]
RunId = Annotated[UUID, Depends(run_id)]
MessageId = Annotated[UUID, Depends(message_id)]
CredentialId = Annotated[UUID, Depends(credential_id)]
SettingsId = Annotated[UUID, Depends(settings_id)]
