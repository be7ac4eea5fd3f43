"""One form for a provider's base URL, however it was pasted, and the URLs that are called with it."""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Never
from urllib.parse import SplitResult, urlsplit

from app.errors import ConfigError
from app.providers.provider import ListShape, Wire

_LIMIT: Final = 2048
_TEXT: Final = re.compile(r"[^\s\\%?#\x00-\x1f\x7f]+")
_PATH: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/-]*")
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_VERSION: Final = re.compile(r"v\d+(?:(?:alpha|beta|preview)\d*)?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PASTED: Final = (("chat", "completions"), ("messages",), ("responses",), ("models",))
_PASTED_OLLAMA: Final = (("api", "chat"), ("api", "generate"), ("api", "tags"), ("api",), ("v1",))
_DEFAULT_VERSIONS: Final = {Wire.GEMINI: "v1beta", Wire.OLLAMA: ""}


def default_version(wire: Wire) -> str:
    """Give the version segment that a base URL of `wire` ends in when nothing else is known; "" for none."""
    return _DEFAULT_VERSIONS.get(wire, "v1")


@lru_cache(maxsize=256)
def canonical(base: str, *, wire: Wire, version: str) -> str:
    """Give the one form of `base`: absolute, no slash at the end, the version segment in it.

    A pasted endpoint (`/chat/completions`, `/messages`, ...) and a doubled version come off, default ports go, the
    scheme and the host become lower case. `version` is added only where the path has no version segment yet, so
    `/api/paas/v4` and `/v1/openai` stay. On the Ollama wire `/v1` and `/api` come off. Raises `ConfigError`, without
    the value, for anything that is no plain http(s) URL: credentials, a query, a fragment, `..`, escapes.
    """
    parts = _split(base.strip())
    segments = _without_endpoint(tuple(segment for segment in parts.path.split("/") if segment), wire)
    if version and wire is not Wire.OLLAMA and not has_version(segments):
        segments = (*segments, version)
    return "/".join((f"{parts.scheme}://{_authority(parts)}", *segments))


def is_whole_endpoint(base: str, *, wire: Wire) -> bool:
    """Tell whether `base` is a pasted endpoint without a version segment: then the service has none."""
    segments = tuple(segment for segment in _split(base.strip()).path.split("/") if segment)
    return not has_version(segments) and _without_endpoint(segments, wire) != segments


def has_version(segments: Sequence[str]) -> bool:
    """Tell whether one of the path's segments looks like a version (`v1`, `v4`, `v1beta`)."""
    return any(_VERSION.fullmatch(segment) for segment in segments)


def list_endpoint(base_url: str, shape: ListShape) -> str:
    """Give the URL of the model list, without its paging parameters; `base_url` is canonical."""
    return f"{base_url}/api/tags" if shape is ListShape.OLLAMA else f"{base_url}/models"


def call_endpoint(base_url: str, wire: Wire, model: str) -> str:
    """Give the URL of a streamed call; `base_url` is canonical, and `model` cannot leave its place in the path."""
    match wire:
        case Wire.OPENAI_CHAT:
            return f"{base_url}/chat/completions"
        case Wire.OPENAI_RESPONSES:
            return f"{base_url}/responses"
        case Wire.ANTHROPIC_MESSAGES:
            return f"{base_url}/messages"
        case Wire.GEMINI:
            return f"{base_url}/models/{model}:streamGenerateContent?alt=sse"
        case Wire.OLLAMA:
            return f"{base_url}/api/chat"


def _split(base: str) -> SplitResult:
    if len(base) > _LIMIT or not _TEXT.fullmatch(base):
        _refuse("it is empty, too long, or has a space, an escape, a query or a fragment")
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError:
        _refuse("its host or port is not valid")
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
        _refuse("it does not begin with http:// or https:// and a host")
    if "@" in parts.netloc:
        _refuse("it has a user name or a password")
    if not _PATH.fullmatch(parts.path) or not {".", ".."}.isdisjoint(parts.path.split("/")):
        _refuse("its path is not plain")
    return parts


def _authority(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        host = f"[{ipaddress.IPv6Address(host)}]" if ":" in host else host.encode("idna").decode("ascii")
    except ValueError:
        _refuse("its host is not valid")
    if not host.startswith("[") and not _HOST.fullmatch(host):
        _refuse("its host is not valid")
    port = parts.port
    return host if port in {None, _DEFAULT_PORTS[parts.scheme]} else f"{host}:{port}"


def _without_endpoint(segments: tuple[str, ...], wire: Wire) -> tuple[str, ...]:
    """Take off what was pasted too much, until nothing more comes off."""
    while True:
        shorter = _shorter(segments, wire)
        if shorter == segments:
            return segments
        segments = shorter


def _shorter(segments: tuple[str, ...], wire: Wire) -> tuple[str, ...]:
    for pasted in _PASTED + (_PASTED_OLLAMA if wire is Wire.OLLAMA else ()):
        if segments[-len(pasted) :] == pasted:
            return segments[: -len(pasted)]
    if wire is Wire.GEMINI and len(segments) > 1 and segments[-2] == "models":
        return segments[:-2]
    if len(segments) > 1 and segments[-1] == segments[-2] and has_version(segments[-1:]):
        return segments[:-1]
    return segments


def _refuse(reason: str) -> Never:
    message = f"api_base cannot be used: {reason}"
    raise ConfigError(message)
