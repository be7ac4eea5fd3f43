"""What is known of a run before anything is stored; everything that can refuse its message has by then."""

from dataclasses import dataclass

from app.db.session import Session
from app.providers.provider import Route
from app.providers.registry import Registry
from app.runs.choice import choose_in
from app.runs.credentials import InstanceKey, OpenedKey, find_api_key_in
from app.runs.place import Place, find_place
from app.runs.send import SendMessage
from app.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the call goes, what it signs in with, and where its messages stand."""

    route: Route
    key: OpenedKey
    place: Place


async def make_plan(
    session: Session, registry: Registry, vault: Vault | None, instance_key: InstanceKey | None, send: SendMessage
) -> Plan:
    """Find it out; the caller has checked whose conversation it is.

    Raises `NotFound`, `InvalidInput` and what `choose` and `find_api_key` raise.
    """
    user_id = send.user_id
    place = await find_place(session, send)
    route = await choose_in(session, registry, instance_key, user_id=user_id, provider=send.provider, model=send.model)
    key = await find_api_key_in(session, vault, instance_key, user_id=user_id, route=route)
    return Plan(route=key.route, key=key, place=place)
