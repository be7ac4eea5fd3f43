"""Tokens of other services, `Authorization: Bearer vgw_<id>_<secret>_<checksum>`, which can be revoked at once.

A token has more than 190 random bits, so nobody finds it by trying: SHA-256 of it can be stored as it is, and a slow
hash or a key would add nothing (docs/decisions/0008-service-tokens.md).
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, final

import structlog
from typing_extensions import override

from app.auth.caller import Authenticator, Caller, Scope
from app.errors import Forbidden, InvalidInput, NotAuthenticated
from app.log import AUDIT
from app.secret import SERVICE_PREFIX, Secret

ID_CHARS: Final = 8
SECRET_CHARS: Final = 32
CHECKSUM_CHARS: Final = 6
"""What the largest CRC-32 needs in base 62."""
MAX_USER_ID_CHARS: Final = 255
ON_BEHALF_OF: Final = "X-On-Behalf-Of"
METHOD: Final = "service_token"
_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM: Final = re.compile(
    rf"(?P<body>{SERVICE_PREFIX}(?P<id>[0-9A-Za-z]{{{ID_CHARS}}})_[0-9A-Za-z]{{{SECRET_CHARS}}})"
    rf"_(?P<checksum>[0-9A-Za-z]{{{CHECKSUM_CHARS}}})"
)
_NO_DIGEST: Final = "0" * 64
"""Compared where no token is known, so that an unknown id takes the same steps as a wrong secret."""
_audit: Final = structlog.stdlib.get_logger(AUDIT)


def _nobody_asks() -> None:
    """Do nothing: most who look a token up do not care when it was used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownToken:
    """A stored token, as far as deciding about a request needs it."""

    id: str
    name: str
    user_id: str
    """Whom it acts for by itself."""
    digest: str = field(repr=False)
    """`digest_of` the whole token."""
    scopes: frozenset[Scope]
    expires_at: datetime | None
    """The first moment at which it is no longer valid; None for never."""
    revoked_at: datetime | None
    on_use: Callable[[], None] = field(default=_nobody_asks, repr=False, compare=False)
    """Called when the token has proved good. It comes with the token and not with the look-up, as a wrong secret
    for a known id is no use of it."""


def make_token() -> tuple[str, Secret]:
    """Give a new token's id and the token."""
    token_id, secret = _random(ID_CHARS), _random(SECRET_CHARS)
    body = f"{SERVICE_PREFIX}{token_id}_{secret}"
    return token_id, Secret(f"{body}_{_checksum(body)}")


def digest_of(token: str) -> str:
    """Give what is stored of a token: SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_id(token: str) -> str:
    """Give the id that stands in a token; raises `NotAuthenticated` for a wrong form or checksum."""
    form = _FORM.fullmatch(token)
    if form is None or form["checksum"] != _checksum(form["body"]):
        message = "This is not a token of the gateway: it is mistyped or cut off."
        raise NotAuthenticated(message, action="Copy it again, whole.")
    return form["id"]


def is_printable(text: str, most: int) -> bool:
    """Say whether `text` has 1 to `most` characters and each can be seen; also asked of names and users given new."""
    return 1 <= len(text) <= most and text.isprintable()


def utc_now() -> datetime:
    """Give the wall clock's time with its zone."""
    return datetime.now(UTC)


@final
class ServiceTokens(Authenticator):
    """Looks each token up for each request, so that a revoked one is refused at once."""

    def __init__(
        self, find: Callable[[str], Awaitable[KnownToken | None]], clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Take what finds a token by its id, and the time with its zone."""
        self._find = find
        self._clock = clock

    @override
    async def identify(self, headers: Mapping[str, str], *, method: str) -> Caller:
        """Give the token's user, or the one that `X-On-Behalf-Of` names.

        Raises `NotAuthenticated`, `Forbidden` for that header without the scope `act_as`, `InvalidInput` for a value
        of it that is no user id, and what `find` raises.
        """
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotAuthenticated
        token = given.strip()
        known = await self._find(read_id(token))
        stored = known.digest if known is not None else _NO_DIGEST
        right = hmac.compare_digest(stored.encode(), digest_of(token).encode())
        if known is None or not right:
            message = "This token is not known."
            raise NotAuthenticated(message, action="Send a valid token.")
        self._check_validity(known)
        known.on_use()
        return _caller(known, headers.get(ON_BEHALF_OF.lower()))

    def _check_validity(self, known: KnownToken) -> None:
        if known.revoked_at is not None:
            message = "This token was revoked."
        elif known.expires_at is not None and known.expires_at <= self._clock():
            message = "This token has expired."
        else:
            return
        raise NotAuthenticated(message, action="Ask the operator for a new one.")


def _caller(known: KnownToken, on_behalf_of: str | None) -> Caller:
    if on_behalf_of is None:
        return Caller(user_id=known.user_id, method=METHOD, scopes=known.scopes)
    if Scope.ACT_AS not in known.scopes:
        # To ignore the header would write what belongs to one user into the account of another.
        message = f"This token has not the scope {Scope.ACT_AS.value}, which the header {ON_BEHALF_OF} needs."
        raise Forbidden(message, action="Leave the header out, or use a token with that scope.")
    user_id = _read_user_id(on_behalf_of)
    _audit.info("acted_on_behalf", token_id=known.id, token_name=known.name, user_id=user_id)
    return Caller(user_id=user_id, method=METHOD, scopes=known.scopes - {Scope.ACT_AS})


def _read_user_id(header: str) -> str:
    try:
        # Servers decode headers as Latin-1, clients send UTF-8: one person would be two users.
        user_id = header.encode("latin-1").decode().strip()
    except UnicodeError:
        user_id = ""
    if not is_printable(user_id, MAX_USER_ID_CHARS):
        wrong = f"{ON_BEHALF_OF} needs a user id of 1 to {MAX_USER_ID_CHARS} printable characters in UTF-8."
        raise InvalidInput(wrong, action="Correct the header.", fields={ON_BEHALF_OF: [wrong]})
    return user_id


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits: list[str] = []
    for _ in range(CHECKSUM_CHARS):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _random(chars: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(chars))
