"""Proof that a page of the frontend sent a request, and not another site's page with the user's cookies.

As Django asks for it: an origin out of a list, and a token that stands in a cookie and in a header. Other sites can
read neither, and cannot choose the Origin header.
"""

import hmac
import re
import string
from collections.abc import Mapping, Sequence
from typing import Final

from app.errors import ConfigError, Forbidden

COOKIE: Final = "csrftoken"
HEADER: Final = "x-csrftoken"
MAX_SHOWN_CHARS: Final = 100
_SETTING: Final = "GATEWAY_TRUSTED_ORIGINS"
_SECRET_CHARS: Final = 32
_ALPHABET: Final = string.ascii_letters + string.digits
_TOKEN: Final = re.compile(rf"[A-Za-z0-9]{{{_SECRET_CHARS}}}(?:[A-Za-z0-9]{{{_SECRET_CHARS}}})?")
_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_BEFORE_PATH: Final = re.compile(r"[^/?#]+//[^/?#]+")
_DEFAULT_PORTS: Final = frozenset({("http", "80"), ("https", "443")})
_LAST_PORT: Final = 65_535


def parse_origins(text: str) -> frozenset[str]:
    """Read origins parted by commas, `https://voyage.example.org`; a slash at the end of one is cut.

    Raises `ConfigError`, which says which one cannot be used, and does not quote it: it may have a password in it.
    """
    origins: set[str] = set()
    for number, given in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
        origin = _normal(given.removesuffix("/"))
        if origin is None:
            message = f"{_SETTING}: entry {number} {_complaint(given)}; write it as https://voyage.example.org."
            raise ConfigError(message)
        origins.add(origin)
    return frozenset(origins)


def check(headers: Mapping[str, str], cookies: Mapping[str, Sequence[str]], origins: frozenset[str]) -> None:
    """Raise `Forbidden` unless the request comes from a page at one of the origins and has the token twice.

    Header names are in lower case; of several cookies of one name the last counts, as in Django. A request that
    names neither origin nor page, as one that no browser sent, needs the token alone.
    """
    _check_origin(headers, origins)
    in_header = _secret_in(headers.get(HEADER, ""), "header X-CSRFToken")
    in_cookie = _secret_in(next(reversed(cookies.get(COOKIE, ())), ""), f"cookie {COOKIE}")
    if not hmac.compare_digest(in_header.encode(), in_cookie.encode()):
        message = f"CSRF check failed: the tokens in the header X-CSRFToken and the cookie {COOKIE} do not match."
        raise Forbidden(message, action="Reload the page and try again.")


def unmask(token: str) -> str:
    """Give the secret of a token of 64 letters and digits, whose first half masks the second; one of 32 is bare.

    As django.middleware.csrf does it: each character of the second half is shifted by the one of the first.
    """
    if len(token) == _SECRET_CHARS:
        return token
    pairs = zip(token[:_SECRET_CHARS], token[_SECRET_CHARS:], strict=True)
    return "".join(_ALPHABET[_ALPHABET.index(cipher) - _ALPHABET.index(mask)] for mask, cipher in pairs)


def _check_origin(headers: Mapping[str, str], origins: frozenset[str]) -> None:
    if "origin" in headers:
        what, given = "origin", headers["origin"]
    elif "referer" in headers:
        page = _BEFORE_PATH.match(headers["referer"])
        what, given = "Referer's origin", page[0] if page else headers["referer"]
    else:
        return
    origin = _normal(given)
    if origin is None or origin not in origins:
        message = f"CSRF check failed: the {what} {_shown(given)} is not trusted."
        remedy = f"Use the frontend at its usual address; if this is it, the operator has to add it to {_SETTING}."
        raise Forbidden(message, action=remedy)


def _secret_in(token: str, where: str) -> str:
    if not token:
        message = f"CSRF check failed: the token is missing in the {where}."
        raise Forbidden(message, action=f"Send the token of /csrf/ in the header X-CSRFToken and the cookie {COOKIE}.")
    if not _TOKEN.fullmatch(token):
        message = f"CSRF check failed: the token in the {where} is malformed, it needs 32 or 64 letters and digits."
        raise Forbidden(message, action="Reload the page and try again.")
    return unmask(token)


def _normal(origin: str) -> str | None:
    """Give an origin as browsers send it, lower case and without the scheme's own port; None for what is none."""
    # Lower case makes ASCII letters out of others, as the Kelvin sign.
    parts = _ORIGIN.fullmatch(origin.lower()) if origin.isascii() else None
    if parts is None or int(parts["port"] or 0) > _LAST_PORT:
        return None
    scheme, host, port = parts["scheme"], parts["host"], parts["port"]
    return f"{scheme}://{host}" if port is None or (scheme, port) in _DEFAULT_PORTS else f"{scheme}://{host}:{port}"


def _complaint(given: str) -> str:
    scheme, mark, rest = given.partition("://")
    if not mark or scheme.lower() not in {"http", "https"}:
        return "does not begin with http:// or https://"
    if "*" in rest:
        return "has a wildcard"
    if "@" in rest:
        return "has a user in it"
    if any(sign in rest.removesuffix("/") for sign in "/?#"):
        return "has a path"
    return "is not an origin"


def _shown(given: str) -> str:
    """Make what a request says fit for one line of an error."""
    return "".join(character for character in given if "!" <= character <= "~")[:MAX_SHOWN_CHARS] or "(empty)"
