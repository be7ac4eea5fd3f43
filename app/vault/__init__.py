"""Seals provider keys for storage and opens them for one use; only `ciphers` imports cryptography."""

from app.vault.cipher import Binding, Sealed, Vault
from app.vault.keyring import generate_key
from app.vault.mask import mask

__all__ = ["Binding", "Sealed", "Vault", "generate_key", "mask"]
