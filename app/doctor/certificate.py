"""What is wrong with a certificate, in words: OpenSSL's verification codes."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from app.errors import Origin, TlsError

_ASK_ISSUER: Final = (
    "Add the certificate of who signed it to this machine's trust store (on Debian: /usr/local/share/ca-certificates"
    " and update-ca-certificates), or have the service send its whole chain."
)
# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/: X509_V_ERR_* by number.
_EXPIRED: Final = 10
_NOT_YET: Final = 9
_COMPLAINTS: Final[Mapping[int, tuple[str, str]]] = {
    _NOT_YET: ("is not valid yet", "Set the clock of this machine if it is behind: it says {now}."),
    _EXPIRED: ("has expired", "Have it renewed, or set the clock of this machine if it is ahead: it says {now}."),
    18: ("is signed by itself", _ASK_ISSUER),
    19: ("is signed by an authority that this machine does not trust", _ASK_ISSUER),
    20: ("is signed by an authority that this machine does not know", _ASK_ISSUER),
    21: ("is signed by an authority that this machine does not know", _ASK_ISSUER),
    62: ("is for another host", "Use the host name that the certificate is for in the base URL, or correct it."),
    64: ("is for another host", "Use the host name that the certificate is for in the base URL, or correct it."),
}
_OTHER: Final = ("is not accepted", "Have it corrected; `openssl s_client -connect HOST:PORT` shows it.")


def certificate_error(error: ssl.SSLCertVerificationError, origin: Origin, *, now: datetime | None = None) -> TlsError:
    """Give the error that names what is wrong with the certificate and what to do about it."""
    what, remedy = _COMPLAINTS.get(error.verify_code, _OTHER)
    shown = (now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC")
    return TlsError(f"The TLS certificate of {origin.label} {what}.", origin=origin, action=remedy.format(now=shown))
