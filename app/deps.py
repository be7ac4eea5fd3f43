"""What the routes are given: the services of this process, the caller, and ids out of the path."""

import re
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Path, Request
from starlette.datastructures import Headers

from app.auth.caller import Authenticator, Caller
from app.db.session import Database
from app.errors import NotFound
from app.providers.litellm_lane import LitellmLane
from app.providers.registry import Registry
from app.providers.transport import Transport
from app.runs.hub import RunHub
from app.runs.runner import Runner
from app.settings import Settings
from app.vault import Vault

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that lives as long as the process; opened and closed by the lifespan of `main`."""

    settings: Settings
    authenticator: Authenticator
    database: Database
    vault: Vault
    registry: Registry
    transport: Transport
    lane: LitellmLane | None
    """None where another client calls the models."""
    hub: RunHub
    runner: Runner

    def begin_shutdown(self) -> None:
        """Take no new runs, and end the live ones within the grace; for the server's signal handler, in the loop."""
        self.hub.begin_shutdown()


def services_of(request: Request) -> Services:
    """Give the services of the application that serves this request."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


async def identify(request: Request, services: ServicesDep) -> Caller:
    """Give the caller; raises `NotAuthenticated`. Every route below /api depends on it."""
    # A header that comes twice counts as absent: two readers could each believe another one.
    return await services.authenticator.identify(_single(request.headers))


CallerDep = Annotated[Caller, Depends(identify)]


def _single(headers: Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if len(headers.getlist(name)) == 1}


def _id_in_path(text: str, name: str) -> UUID:
    if not _UUID.fullmatch(text):
        raise NotFound(fields={name: ["This is not a UUID."]})
    return UUID(text)


def conversation_id(conversation_id: Annotated[str, Path()]) -> UUID:
    """Read the id of a conversation; a malformed one is as unknown as any other."""
    return _id_in_path(conversation_id, "conversation_id")


def run_id(run_id: Annotated[str, Path()]) -> UUID:
    """Read the id of a run."""
    return _id_in_path(run_id, "run_id")


def credential_id(credential_id: Annotated[str, Path()]) -> UUID:
    """Read the id of a credential."""
    return _id_in_path(credential_id, "credential_id")


ConversationId = Annotated[UUID, Depends(conversation_id)]
RunId = Annotated[UUID, Depends(run_id)]
CredentialId = Annotated[UUID, Depends(credential_id)]
