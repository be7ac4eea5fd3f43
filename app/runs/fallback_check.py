"""Whether a list of fallbacks can be used at all: what is sure to be skipped later is refused when it is saved."""

from collections.abc import Sequence
from typing import Final

from app.errors import GatewayError, InvalidInput, ProviderNotAvailable, ProviderRetired
from app.providers.registry import Registry
from app.runs.fallback import Fallback

_INVISIBLE: Final = "Leave out blanks and control characters."


def check_fallbacks(registry: Registry, entries: Sequence[Fallback]) -> None:
    """Raise `InvalidInput` for the first entry that has no route, naming its field as in `fallbacks.0.model`.

    Refused are an unknown, disabled or retired provider, an id that is not valid or carries another provider's prefix,
    and no model where the provider has no default. Keys are not looked at: they may be stored later.
    """
    for place, entry in enumerate(entries):
        _check_visible(f"fallbacks.{place}.provider", entry.provider)
        _check_visible(f"fallbacks.{place}.model", entry.model or "")
        try:
            registry.resolve(entry.provider, entry.model)
        except GatewayError as error:
            raise _named(place, error) from error


def _check_visible(name: str, text: str) -> None:
    if not text.isprintable() or " " in text:
        raise _refusal(name, _INVISIBLE)


def _named(place: int, error: GatewayError) -> InvalidInput:
    about_provider = isinstance(error, ProviderNotAvailable | ProviderRetired)
    name = f"fallbacks.{place}.{'provider' if about_provider else 'model'}"
    reasons = [text for texts in error.fields.values() for text in texts] or [error.sentence]
    return _refusal(name, *reasons, did_you_mean=error.did_you_mean)


def _refusal(name: str, *reasons: str, did_you_mean: Sequence[str] = ()) -> InvalidInput:
    message = f"{name}: {reasons[0]}"
    return InvalidInput(
        message, action="Correct it and send it again.", fields={name: reasons}, did_you_mean=did_you_mean
    )
