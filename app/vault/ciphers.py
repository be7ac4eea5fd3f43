"""What is computed by cryptography, which is imported when the first key is sealed or opened: it takes 8 MB."""


def seal(key: bytes, nonce: bytes, data: bytes, associated: bytes) -> bytes:
    """Encrypt by AES-256-GCM; gives the ciphertext with its tag."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

    return AESGCM(key).encrypt(nonce, data, associated)


def unseal(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    """Decrypt what `seal` gave; None where anything is not as it was."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

    try:
        return AESGCM(key).decrypt(nonce, sealed, associated)
    except InvalidTag:
        return None


def open_fernet(key: str, token: str) -> bytes | None:
    """Decrypt a token of Fernet's under a key of 32 bytes in url-safe base64; None for any other key's token."""
    from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415 - see above

    try:
        return Fernet(key).decrypt(token.encode())
    except (InvalidToken, ValueError):
        return None
