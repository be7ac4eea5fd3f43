"""Sealing: AES-256-GCM, with everything a row says about itself as associated data.

Stored form: `v1.<kid>.<base64url(nonce || ciphertext || tag)>`. A row that is moved to another user, provider or base
URL no longer opens, so whoever can write to the database still cannot send a key elsewhere.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from app.errors import ConfigError, CredentialUnreadable, Origin
from app.secret import Secret
from app.vault import ciphers
from app.vault.keyring import FIELD_KEY_VARIABLE, Subkeys, read_keyring

_VERSION: Final = "v1"
_NONCE_BYTES: Final = 12
_FINGERPRINT_BYTES: Final = 16
_CHECK_BYTES: Final = 8
_SEALED: Final = re.compile(r"v1\.([A-Za-z0-9_-]{1,40})\.([A-Za-z0-9_-]{38,8192})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where a key belongs; all four must be the same when it is opened."""

    row_id: UUID
    user_id: str
    provider: str
    origin: str
    """Scheme, host and port that the key may be sent to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A key as it is stored."""

    kid: str
    text: str


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals, opens and recognises keys; every method is quick, does no I/O and never waits."""

    _keys: dict[str, Subkeys] = field(repr=False)
    _current: Subkeys = field(repr=False)
    _field_key: Secret | None = field(repr=False)
    """Voyage's key, in the form that Fernet takes."""

    @classmethod
    def from_config(cls, keys: Secret | None, field_encryption_key: Secret | None) -> "Vault":
        """Build it from `kid2:<base64>,kid1:<base64>` (the first writes, all read) and Voyage's key.

        Voyage's key alone is enough. Raises `ConfigError` that names the variable, never a value.
        """
        keyring = read_keyring(keys, field_encryption_key)
        field_key = Secret(_padded(field_encryption_key.reveal())) if field_encryption_key is not None else None
        return cls({key.kid: key for key in keyring}, keyring[0], field_key)

    @property
    def kids(self) -> tuple[str, ...]:
        """The names of all keys, the one that writes first."""
        return tuple(self._keys)

    @property
    def current_kid(self) -> str:
        """The name of the key that writes."""
        return self._current.kid

    def seal(self, secret: Secret, binding: Binding) -> Sealed:
        """Encrypt `secret` for the one row that `binding` describes."""
        kid = self._current.kid
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = ciphers.seal(self._current.encrypt, nonce, secret.reveal().encode(), _associated(kid, binding))
        return Sealed(kid=kid, text=f"{_VERSION}.{kid}.{_encoded(nonce + ciphertext)}")

    def open(self, text: str, binding: Binding) -> Secret:
        """Decrypt a stored text; raises `CredentialUnreadable`, always the same whatever the reason."""
        match = _SEALED.fullmatch(text)
        key = self._keys.get(match[1]) if match else None
        data = _decoded(match[2]) if match else None
        if key is None or data is None:
            raise _unreadable(binding)
        nonce, ciphertext = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        opened = ciphers.unseal(key.encrypt, nonce, ciphertext, _associated(key.kid, binding))
        if opened is None:
            raise _unreadable(binding)
        return Secret(opened.decode())

    def fingerprint(self, secret: Secret) -> str:
        """Give a keyed hash: equal for equal keys under one master key, of no use without it."""
        digest = hmac.digest(self._current.fingerprint, secret.reveal().encode(), hashlib.sha256)
        return digest[:_FINGERPRINT_BYTES].hex()

    def check_values(self) -> dict[str, str]:
        """Give a value for each kid that shows whether two processes mean the same key by it."""
        return {
            kid: hmac.digest(key.check, b"check", hashlib.sha256)[:_CHECK_BYTES].hex()
            for kid, key in self._keys.items()
        }

    def open_fernet(self, token: str) -> Secret:
        """Decrypt a token that Voyage stored; only for the import.

        Raises `ConfigError` without Voyage's key and `CredentialUnreadable` for a token of another key.
        """
        if self._field_key is None:
            message = f"{FIELD_KEY_VARIABLE} is not set; Voyage's keys cannot be read without it."
            raise ConfigError(message)
        opened = ciphers.open_fernet(self._field_key.reveal(), token)
        if opened is None:
            raise CredentialUnreadable
        try:
            return Secret(opened.decode())
        except ValueError:
            raise CredentialUnreadable from None


def _associated(kid: str, binding: Binding) -> bytes:
    parts = ("llm-gateway/credential", "1", kid, str(binding.row_id), binding.user_id, binding.provider, binding.origin)
    return b"".join(_length_prefixed(part.encode() for part in parts))


def _length_prefixed(parts: Iterable[bytes]) -> Iterable[bytes]:
    # A separator could be written inside a part, and two different rows would then have the same data.
    for part in parts:
        yield len(part).to_bytes(4, "big")
        yield part


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes | None:
    try:
        data = base64.urlsafe_b64decode(_padded(text))
    except binascii.Error:
        return None
    # The last character has unused bits: only one spelling of the same bytes is accepted.
    return data if _encoded(data) == text else None


def _padded(text: str) -> str:
    bare = text.strip().rstrip("=")
    return bare + "=" * (-len(bare) % 4)


def _unreadable(binding: Binding) -> CredentialUnreadable:
    return CredentialUnreadable(origin=Origin(provider=binding.provider, label=binding.provider))
