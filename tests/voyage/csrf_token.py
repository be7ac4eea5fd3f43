"""Django's CSRF secret and the masked form of it that pages send."""

import secrets
import string
from typing import Final

ALPHABET: Final = string.ascii_letters + string.digits
SECRET_LENGTH: Final = 32


def new_secret() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))


def mask(secret: str) -> str:
    """Give 64 characters, other ones at every call: a random mask and the secret shifted by it."""
    key = new_secret()
    cipher = (
        ALPHABET[(ALPHABET.index(s) + ALPHABET.index(k)) % len(ALPHABET)] for s, k in zip(secret, key, strict=True)
    )
    return key + "".join(cipher)


def secret_in(token: str) -> str | None:
    """Give the secret of a bare or masked token; None if it is neither."""
    if set(token) - set(ALPHABET) or len(token) not in {SECRET_LENGTH, 2 * SECRET_LENGTH}:
        return None
    if len(token) == SECRET_LENGTH:
        return token
    key, cipher = token[:SECRET_LENGTH], token[SECRET_LENGTH:]
    return "".join(ALPHABET[ALPHABET.index(c) - ALPHABET.index(k)] for c, k in zip(cipher, key, strict=True))
