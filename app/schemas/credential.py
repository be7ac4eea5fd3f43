"""Bodies of the credential routes; a key comes in and never goes out."""

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from app.schemas.body import PROVIDER_CHARS, Body
from app.schemas.diagnosis import DiagnosisStep
from app.secret import API_KEY_CHARS, Secret, api_key_complaint

_MASKED: Final = "***"


def _read_key(given: object) -> Secret:
    """Refuse what cannot be a key; no text here may quote it."""
    if not isinstance(given, str):
        message = "This must be a string."
        raise ValueError(message)  # noqa: TRY004 - pydantic takes ValueError
    key = given.strip()
    if not key:
        message = "This must not be blank."
    elif _MASKED in key:
        message = "This is the masked form, not the key. Enter the key itself, or leave the field out to keep it."
    else:
        message = api_key_complaint(key)
    if not message:
        return Secret(key)
    raise ValueError(message)


ApiKey = Annotated[
    Secret,
    BeforeValidator(_read_key),
    WithJsonSchema(
        {"type": "string", "minLength": API_KEY_CHARS.start, "maxLength": API_KEY_CHARS.stop - 1, "writeOnly": True}
    ),
]
ProviderId = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=PROVIDER_CHARS)
]

BaseUrl = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2048)]


class _KeyBody(Body):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    ignored: ClassVar = frozenset({"id", "masked_api_key", "created_at", "updated_at", "status", "check"})


class NewKey(_KeyBody):
    """A key for a provider, which may be any name."""

    provider: ProviderId
    api_key: ApiKey
    api_base: BaseUrl | None = None
    """Where the key is for; only for a provider that has no address itself, and needed there."""


class ChangedKey(_KeyBody):
    """A change of a stored key; what is left out stays."""

    provider: ProviderId | None = None
    api_key: ApiKey | None = None
    api_base: BaseUrl | None = None
    """Comes with its key: a stored key does not move to another address."""


class CredentialCheck(BaseModel):
    """What a diagnosis without tokens has found out about a key, and when."""

    status: Literal["pass", "warn", "fail"]
    checked_at: datetime
    failed_step: str | None
    """What to mend first."""
    steps: list[DiagnosisStep]


def _is_none(value: str | None) -> bool:
    return value is None


class CredentialAnswer(BaseModel):
    """A stored key as its owner may see it."""

    id: UUID
    provider: str
    masked_api_key: str
    api_base: str | None = Field(default=None, exclude_if=_is_none)
    """Left out where the provider has an address itself."""
    created_at: datetime
    updated_at: datetime
    status: Literal["ok", "unreadable"]
    """`unreadable`: the master key is gone, or the address is missing or has changed; entering
    the key again heals it."""
    check: CredentialCheck | None
    """None until the key was looked at, soon after it was saved, and for a name that is no provider here."""
