"""The master keys: read from the configuration, checked, and split into one subkey for each purpose."""

import base64
import binascii
import hashlib
import hmac
import itertools
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from app.errors import ConfigError
from app.secret import Secret

KEYS_VARIABLE: Final = "GATEWAY_CREDENTIAL_KEYS"
FIELD_KEY_VARIABLE: Final = "FIELD_ENCRYPTION_KEY"
_KEY_BYTES: Final = 32
_MIN_DISTINCT_BYTES: Final = 8
"""32 random bytes have fewer distinct values with a chance below 2**-100; a typed pattern has."""
_KID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_DERIVED: Final = "fek-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subkeys:
    """What one master key is used for; the master key itself is not kept."""

    kid: str
    encrypt: bytes = field(repr=False)
    fingerprint: bytes = field(repr=False)
    check: bytes = field(repr=False)


def generate_key() -> str:
    """Give a new random key as `kid:base64`, ready for the configuration."""
    key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
    return f"k{secrets.token_hex(3)}:{key}"


def read_keyring(keys: Secret | None, field_encryption_key: Secret | None) -> tuple[Subkeys, ...]:
    """Give the keys, the one that writes first; the one derived from Voyage's key comes last.

    Raises `ConfigError` that names the variable, for no key at all and for a key that is malformed, weak or doubled.
    """
    masters = _listed(keys) if keys is not None else {}
    if field_encryption_key is not None:
        kid, master = _derived(field_encryption_key)
        masters[kid] = master
    if not masters:
        message = f"Neither {KEYS_VARIABLE} nor {FIELD_KEY_VARIABLE} is set; make one with `llm-gateway keys generate`."
        raise ConfigError(message)
    return tuple(_subkeys(kid, master) for kid, master in masters.items())


def _listed(keys: Secret) -> dict[str, bytes]:
    masters: dict[str, bytes] = {}
    entries = [entry.strip() for entry in re.split(r"[,\r\n]+", keys.reveal()) if entry.strip()]
    for number, entry in enumerate(entries, start=1):
        kid, _, text = entry.partition(":")
        master = _decoded(text.strip())
        wrong = _complaint(kid.strip(), master, masters)
        if wrong or master is None:
            message = f"{KEYS_VARIABLE}: entry {number} {wrong}."
            raise ConfigError(message)
        masters[kid.strip()] = master
    if not masters:
        message = f"{KEYS_VARIABLE}: holds no key."
        raise ConfigError(message)
    return masters


def _complaint(kid: str, master: bytes | None, known: dict[str, bytes]) -> str:
    if not _KID.fullmatch(kid) or kid.startswith(_DERIVED):
        return f"needs a name of 1 to 32 letters, digits, '-' or '_' before the colon, not beginning with '{_DERIVED}'"
    if master is None:
        return f"needs {_KEY_BYTES} bytes in base64 after the colon"
    if _weak(master):
        return "is not random"
    if kid in known:
        return "repeats the name of another key"
    if master in known.values():
        return "repeats another key"
    return ""


def _derived(field_encryption_key: Secret) -> tuple[str, bytes]:
    source = _decoded(field_encryption_key.reveal().strip())
    if source is None:
        message = f"{FIELD_KEY_VARIABLE}: needs {_KEY_BYTES} bytes in url-safe base64, as Fernet makes them."
        raise ConfigError(message)
    if _weak(source):
        message = f"{FIELD_KEY_VARIABLE}: is not random; make a new one."
        raise ConfigError(message)
    # Derived, so that the key Voyage encrypts with is never itself a key of ours.
    kid = _DERIVED + hkdf(source, "voyage/kid", 4).hex()
    return kid, hkdf(source, "voyage/master", _KEY_BYTES)


def _decoded(text: str) -> bytes | None:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None


def _weak(key: bytes) -> bool:
    steps = {(after - before) % 256 for before, after in itertools.pairwise(key)}
    typed = all(chr(byte).isascii() and chr(byte).isprintable() for byte in key)
    return len(set(key)) < _MIN_DISTINCT_BYTES or len(steps) == 1 or typed


def _subkeys(kid: str, master: bytes) -> Subkeys:
    return Subkeys(
        kid=kid,
        encrypt=hkdf(master, "credential/encrypt"),
        fingerprint=hkdf(master, "credential/fingerprint"),
        check=hkdf(master, "key/check"),
    )


def hkdf(master: bytes, purpose: str, length: int = _KEY_BYTES) -> bytes:
    """Derive up to 32 bytes by HKDF with SHA-256, no salt and one round: RFC 5869, sections 2.2 and 2.3."""
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), master, hashlib.sha256)
    return hmac.digest(extracted, f"llm-gateway/{purpose}/1".encode() + b"\x01", hashlib.sha256)[:length]
