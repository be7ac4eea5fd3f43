"""A model request as the HTTP request of its wire: where it goes, with which headers, and its body."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from app.providers import base_url
from app.providers.bodies import anthropic_messages, gemini, openai_chat, openai_responses
from app.providers.model import ModelRequest
from app.providers.provider import Wire
from app.providers.transport import USER_AGENT
from app.secret import Secret

_ANTHROPIC_VERSION: Final = "2023-06-01"


class HttpRequest(NamedTuple):
    """What is sent; the headers hold the key, so it has no business in a log."""

    url: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


_BODIES: Final[Mapping[Wire, Callable[[ModelRequest], dict[str, Any]]]] = {
    Wire.OPENAI_CHAT: openai_chat.body,
    Wire.OPENAI_RESPONSES: openai_responses.body,
    Wire.ANTHROPIC_MESSAGES: anthropic_messages.body,
    Wire.GEMINI: gemini.body,
}


def http_request(request: ModelRequest) -> HttpRequest:
    """Give the POST that asks for the answer as a stream; the route's wire is one that the lane speaks."""
    route = request.route
    url = base_url.call_endpoint(route.base_url, route.wire, route.model)
    return HttpRequest(url, _headers(request), _dump(_BODIES[request.route.wire](request)))


def _headers(request: ModelRequest) -> dict[str, str]:
    """Give the headers; the provider's own win over ours, and the key's over all."""
    provider = request.route.provider
    headers = {"user-agent": USER_AGENT, "accept": "text/event-stream"}
    if request.route.wire is Wire.ANTHROPIC_MESSAGES:
        headers["anthropic-version"] = _ANTHROPIC_VERSION
    headers |= {name.lower(): value for name, value in provider.headers.items()}
    if provider.session_header and request.session_id is not None:
        headers[provider.session_header.lower()] = request.session_id
    headers["content-type"] = "application/json"
    if request.api_key is not None:
        headers |= _authorization(request.route.wire, request.api_key)
    return headers


def _authorization(wire: Wire, key: Secret) -> dict[str, str]:
    match wire:
        case Wire.ANTHROPIC_MESSAGES:
            return {"x-api-key": key.reveal()}
        case Wire.GEMINI:
            return {"x-goog-api-key": key.reveal()}
        case _:
            return {"authorization": f"Bearer {key.reveal()}"}


def _dump(body: Mapping[str, Any]) -> bytes:
    """Write JSON; the slower writer takes halves of a surrogate pair and what a tool's schema may hold besides."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        return json.dumps(body, separators=(",", ":")).encode()
