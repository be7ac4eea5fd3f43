"""A base URL that a user brings along with their key."""

from dataclasses import replace
from typing import Final

from app.errors import ConfigError, InvalidInput
from app.providers import base_url, outgoing_url
from app.providers.address import AddressGuard, ForbiddenAddress
from app.providers.provider import Provider

_REQUIRED: Final = "This field is required: the base URL of your endpoint."
_NOT_TAKEN: Final = "This provider takes no address of yours. Leave the field out."
_NOT_PLAIN: Final = "This is no plain URL."
_ENCRYPTED_ONLY: Final = "This must begin with https://."
_PUBLIC_ONLY: Final = "This cannot be used here. Give an address that is reached over the public internet."


def base_to_store(
    provider: Provider | None, given: str | None, guard: AddressGuard, *, kept: str | None = None
) -> str | None:
    """Give the base URL that belongs beside a key for `provider`; None where it has an address itself.

    It is the canonical form of `given`, or `kept`, which was stored before, where nothing is given. A name is not
    looked up: what counts is where it leads when it is called. http:// is for the networks that the operator allows.
    Raises `InvalidInput` naming `api_base`, without the value.
    """
    if provider is None or not provider.own_address:
        if given is not None:
            raise _refused(_NOT_TAKEN)
        return None
    if given is None and kept is None:
        raise _refused(_REQUIRED)
    return kept if given is None else _checked(given, provider, guard)


def at_address(provider: Provider, api_base: str | None) -> Provider:
    """Give `provider` as it is for one user, whose base URL in its canonical form is `api_base`."""
    return replace(provider, api_base=api_base or "") if provider.own_address else provider


def _checked(given: str, provider: Provider, guard: AddressGuard) -> str:
    try:
        whole = base_url.is_whole_endpoint(given, wire=provider.wire)
        version = "" if whole else base_url.default_version(provider.wire)
        base = base_url.canonical(given, wire=provider.wire, version=version)
        encrypted, host = outgoing_url.read(base)
    except ConfigError as error:
        text = f"This cannot be used: {str(error).partition(': ')[2]}."
        raise _refused(text) from None
    except outgoing_url.UnusableUrl:
        raise _refused(_NOT_PLAIN) from None
    if not encrypted and not guard.allowed:
        raise _refused(_ENCRYPTED_ONLY)
    try:
        (guard if encrypted else guard.inside()).check_host(host)
    except ForbiddenAddress:
        raise _refused(_PUBLIC_ONLY) from None
    return base


def _refused(text: str) -> InvalidInput:
    return InvalidInput(f"api_base: {text}", action="Correct it and send it again.", fields={"api_base": [text]})
