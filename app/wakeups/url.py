"""Which addresses of a Valkey server can be used."""

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

_MAX_CHARS: Final = 2048
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_TCP_PATH: Final = re.compile(r"/?|/[0-9]{1,4}")
_NUMBER: Final = re.compile(r"[0-9]{1,4}")
_FILE: Final = re.compile(r".+")
# Nothing about time or retries: the deadlines are ours, and in the library the address would win over them.
_PLAIN: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType({"db": _NUMBER})
_TLS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "db": _NUMBER,
        "ssl_ca_certs": _FILE,
        "ssl_certfile": _FILE,
        "ssl_keyfile": _FILE,
        "ssl_cert_reqs": re.compile(r"none|optional|required"),
        "ssl_check_hostname": re.compile(r"True|False"),
    }
)
_OPTIONS: Final = MappingProxyType({"redis": _PLAIN, "rediss": _TLS, "valkey": _PLAIN, "unix": _PLAIN})


def valkey_url_complaint(url: str) -> str:
    """Say what is wrong with the address of a Valkey server, without quoting it; "" where nothing is."""
    if len(url) > _MAX_CHARS or not _VISIBLE.fullmatch(url):
        return "The address is empty, too long, or has spaces or characters outside of ASCII."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "Its host or port is not valid; in a password write / ? # @ : [ ] as %2F %3F %23 %40 %3A %5B %5D."
    if parts.scheme not in _OPTIONS or not url[len(parts.scheme) :].startswith("://"):
        return "It must begin with redis://, rediss:// (TLS), valkey:// or unix://."
    if "#" in url:
        return "It has a #; in a password write %23."
    if parts.scheme == "unix":
        return _socket_complaint(parts) or _options_complaint(parts)
    return _server_complaint(parts, port) or _options_complaint(parts)


def _socket_complaint(parts: SplitResult) -> str:
    if parts.netloc.rpartition("@")[2] or not parts.path.strip("/"):
        return "It must name a socket by its whole path, as in unix:///run/valkey.sock."
    return ""


def _server_complaint(parts: SplitResult, port: int | None) -> str:
    host = parts.hostname or ""
    if port == 0:
        return "Its port must be 1 to 65535."
    try:
        if ":" in host:
            ipaddress.IPv6Address(host)
        elif not _HOST.fullmatch(host):
            return "It has no valid host; in a password write / ? # @ as %2F %3F %23 %40."
    except ValueError:
        return "Its host is no valid IPv6 address."
    if not _TCP_PATH.fullmatch(parts.path):
        return "After host and port only the number of a database may follow, as in /0."
    return ""


def _options_complaint(parts: SplitResult) -> str:
    allowed = _OPTIONS[parts.scheme]
    options = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in options]
    if len(set(names)) < len(names) or not set(names) <= set(allowed):
        return f"After the ? only these may stand, each once: {', '.join(allowed)}."
    wrong = [name for name, value in options if not allowed[name].fullmatch(value)]
    return f"The value of {wrong[0]} is not valid." if wrong else ""
