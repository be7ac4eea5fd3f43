"""What can fail as one: a provider, at one address, on one wire."""

from typing import NamedTuple

from app.providers.provider import Route, Wire


class Target(NamedTuple):
    """Names it; two calls with an equal one go to the same machines."""

    provider: str
    place: str
    """Scheme, host and port; the whole base URL where it is a user's own, as others may be at the same host."""
    wire: Wire


def target_of(route: Route) -> Target:
    """Give what a call down `route` asks."""
    provider = route.provider
    return Target(provider.id, route.base_url if provider.own_address else route.origin, route.wire)
