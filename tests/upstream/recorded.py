"""What the upstream saw of one request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import unquote

from app.providers.provider import Wire

_ENDINGS: Final[Mapping[str, Wire]] = {
    "/chat/completions": Wire.OPENAI_CHAT,
    "/responses": Wire.OPENAI_RESPONSES,
    "/messages": Wire.ANTHROPIC_MESSAGES,
    "/api/chat": Wire.OLLAMA,
}


@dataclass(slots=True, kw_only=True)
class Recorded:
    """One request; times are the event loop's, in seconds."""

    number: int
    """1 for the first request of this server."""
    method: str
    path: str
    """With the query."""
    headers: dict[str, str]
    """Names in lower case."""
    raw: bytes
    body: Any = None
    """The JSON body; None if there is none."""
    received_at: float
    answered_at: float | None = None
    """When our last byte was handed to the socket, or when we cut it."""
    closed_at: float | None = None
    """When the client's socket was seen closed."""
    client_left: bool = False
    """Whether the client closed before the answer was complete."""
    wire: Wire | None = field(init=False)
    """None: no model call."""

    def __post_init__(self) -> None:
        self.wire = _wire_of(self.method, self.route)

    @property
    def route(self) -> str:
        """The path without its query."""
        return unquote(self.path.partition("?")[0])

    @property
    def model(self) -> str:
        """The model asked for: from the path for Gemini, else from the body."""
        if self.wire is Wire.GEMINI:
            return self.route.rpartition("/models/")[2].rpartition(":")[0]
        return str(self.json_object.get("model") or "")

    @property
    def json_object(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.body) if isinstance(self.body, dict) else {}

    @property
    def wants_stream(self) -> bool:
        """Whether the request asked for a stream, by the default of its wire."""
        match self.wire:
            case Wire.GEMINI:
                return self.route.endswith(":streamGenerateContent")
            case Wire.OLLAMA:
                return bool(self.json_object.get("stream", True))
            case _:
                return bool(self.json_object.get("stream", False))

    @property
    def api_key(self) -> str:
        """The key as it was sent, in whichever header."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key") or self.headers.get("x-goog-api-key") or bearer


def _wire_of(method: str, route: str) -> Wire | None:
    if method != "POST":
        return None
    if route.endswith((":streamGenerateContent", ":generateContent")):
        return Wire.GEMINI
    return next((wire for ending, wire in _ENDINGS.items() if route.endswith(ending)), None)
