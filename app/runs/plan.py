"""What is known of a run before anything is stored; everything that can refuse its message has by then."""

from dataclasses import dataclass

from app.db.session import Session
from app.providers.model_lookup import ModelLookup
from app.providers.provider import Route
from app.providers.registry import Registry
from app.runs.choice import choose_in
from app.runs.credentials import InstanceKey, OpenedKey, find_api_key_in
from app.runs.place import Place, find_place
from app.runs.send import SendMessage
from app.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the call goes, what it signs in with, where its messages stand, and how much the model is known to read."""

    route: Route
    key: OpenedKey
    place: Place
    window: int | None = None
    """Tokens that the model reads, as a list or the snapshot says; None where neither does."""


async def make_plan(  # noqa: PLR0913, PLR0917 - what a run stands on
    session: Session,
    registry: Registry,
    vault: Vault | None,
    instance_key: InstanceKey | None,
    models: ModelLookup | None,
    send: SendMessage,
) -> Plan:
    """Find it out; the caller has checked whose conversation it is. Asks no provider.

    Raises `NotFound`, `InvalidInput`, what `choose` and `find_api_key` raise, and `ModelNotFound` for a model that
    the list of the caller's key rules out.
    """
    user_id = send.user_id
    place = await find_place(session, send)
    route = await choose_in(session, registry, instance_key, user_id=user_id, provider=send.provider, model=send.model)
    key = await find_api_key_in(session, vault, instance_key, user_id=user_id, route=route)
    route, window = plan_route(models, instance_key, key)
    return Plan(route=route, key=key, place=place, window=window)


def plan_route(
    models: ModelLookup | None, instance_key: InstanceKey | None, key: OpenedKey
) -> tuple[Route, int | None]:
    """Give where a call with `key` goes, and how much the model is known to read; raises what `check_model` raises."""
    if models is None:
        return key.route, None
    check_model(models, instance_key, key.route, key)
    return key.route, models.window(key.route, key.secret, own_key=key.own)


def check_model(models: ModelLookup, instance_key: InstanceKey | None, route: Route, key: OpenedKey) -> None:
    """Raise `ModelNotFound` where the list of this key rules the model out and the operator has not named it."""
    operators = instance_key.model if instance_key is not None and instance_key.provider == route.provider.id else None
    models.check(route, key.secret, own_key=key.own, operators=operators)
