"""The models that a provider offers right now, read from its own list."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, cast, final
from urllib.parse import quote

import orjson

from app.errors import InvalidProviderResponse, Origin, ProviderTimeout
from app.providers import base_url, classify, model_id, naming
from app.providers.error_body import read_error_body
from app.providers.key_echo import KeyEcho
from app.providers.list_texts import fit_to_keep, without_unfit
from app.providers.model_facts import Entry, read_entry
from app.providers.model_info import ModelInfo, ModelList, ModelSource
from app.providers.provider import ListShape, Provider
from app.providers.transport import Sender
from app.secret import Secret

BODY_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of one page; the longest list in use has about one million."""
PAGE_LIMIT: Final = 10
MODEL_LIMIT: Final = 5_000
ENTRY_LIMIT: Final = 20_000
"""What is looked at of all pages, models for other purposes among it."""
_FIRST_BYTE_S: Final = 15.0
_ANTHROPIC_VERSION: Final = "2023-06-01"
_PARAMETERS: Final[Mapping[ListShape, tuple[str, str]]] = {
    ListShape.OPENAI: ("", ""),
    ListShape.ANTHROPIC: ("limit=1000", "after_id"),
    ListShape.GEMINI: ("pageSize=1000", "pageToken"),
    ListShape.OLLAMA: ("", ""),
}
"""By shape: the first query, and the parameter that names the next page."""
_OTHER_PURPOSE: Final = re.compile(
    r"(?:^|[-_./])(?:embed|embedding|embeddings|tts|whisper|dall-e|moderation|image|images|audio|realtime|transcribe"
    r"|transcription|sora|babbage|davinci|turbo-instruct|rerank|orpheus|ocr)(?:$|[-_./:\d])"
)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""Half of a surrogate pair, escaped or encoded by itself: what the fast parser refuses in otherwise good JSON."""


@final
class ListTooLong(InvalidProviderResponse):
    """A list with more than `BODY_LIMIT` bytes on one page; the address is right."""

    def __init__(self, origin: Origin) -> None:
        """Say how long it may be."""
        message = f"{origin.label} sent a list of models with more than {BODY_LIMIT:,} bytes on one page."
        action = "Name a model yourself: messages do not need the list. Whoever runs the provider can shorten it."
        super().__init__(message, action=action, origin=origin)


@dataclass(frozen=True, slots=True)
class _Page:
    entries: tuple[Entry, ...]
    following: str | None = None
    """What the next page is asked for by."""
    cut: bool = False


async def list_models(
    transport: Sender, provider: Provider, api_key: Secret | None, *, seconds: float, own_key: bool = True
) -> tuple[str, ...]:
    """Give the ids of `fetch_models`; raises what that raises."""
    found = await fetch_models(transport, provider, api_key, seconds=seconds, own_key=own_key)
    return found.ids


async def fetch_models(
    transport: Sender, provider: Provider, api_key: Secret | None, *, seconds: float, own_key: bool = True
) -> ModelList:
    """Give what `provider` offers to `api_key`, each id in the form that resolves to itself.

    A provider without a list gives the ids of its row. All pages together take at most `seconds`. Raises what the
    transport and `classify.refusal` raise, `ProviderTimeout`, and `InvalidProviderResponse` for a success that is no
    list. A missing key is not looked for: some lists need none.
    """
    if provider.models_list is None:
        rows = {name: ModelInfo(id=name, source=ModelSource.CONFIGURED) for name in sorted(provider.models)}
        return ModelList(models=rows, named=frozenset(name.lower() for name in rows))
    origin = Origin(provider=provider.id, label=provider.label, private=not own_key)
    try:
        async with asyncio.timeout(seconds):
            found = await _all_pages(transport, provider, provider.models_list, api_key, origin)
    except TimeoutError as error:
        message = f"{provider.label} did not send its list of models in {seconds:g} s."
        raise ProviderTimeout(message, origin=origin) from error
    return _together(provider, found)


def _together(provider: Provider, found: _Page) -> ModelList:
    entries = found.entries
    usable = {entry.info.id: entry.info for entry in entries if entry.chats and _usable(provider, entry.info.id)}
    kept = sorted(usable)[:MODEL_LIMIT]
    named = {name.lower() for entry in entries for name in (entry.info.id, *entry.aliases)}
    whole = not found.cut and len(kept) == len(usable)
    return ModelList(models={name: usable[name] for name in kept}, named=frozenset(named), whole=whole)


async def _all_pages(
    transport: Sender, provider: Provider, shape: ListShape, api_key: Secret | None, origin: Origin
) -> _Page:
    """Give all pages as one; it is cut where a bound was reached or where a page points back."""
    base = base_url.canonical(provider.api_base, wire=provider.wire, version=provider.version)
    first, parameter = _PARAMETERS[shape]
    url = base_url.list_endpoint(base, shape) + (f"?{first}" if first else "")
    key = KeyEcho(api_key)
    found: list[Entry] = []
    asked: set[str] = set()
    address = url
    while address not in asked and len(asked) < PAGE_LIMIT:
        asked.add(address)
        page = _read(shape, await _fetch(transport, provider, address, api_key, origin), key, origin)
        found.extend(page.entries[: ENTRY_LIMIT - len(found)])
        if page.cut or len(found) >= ENTRY_LIMIT:
            break
        if not parameter or page.following is None:
            return _Page(tuple(found))
        address = f"{url}&{parameter}={quote(page.following, safe='')}"
    return _Page(tuple(found), cut=True)


async def _fetch(transport: Sender, provider: Provider, url: str, api_key: Secret | None, origin: Origin) -> bytes:
    limits = provider.deadlines
    deadlines = replace(limits, first_token_s=min(limits.first_token_s, _FIRST_BYTE_S))
    headers = _headers(provider, api_key)
    async with transport.request(
        "GET", url, headers=headers, body=None, deadlines=deadlines, origin=origin, guarded=provider.guarded
    ) as response:
        if response.status != HTTPStatus.OK:
            body = await read_error_body(response, left_s=deadlines.first_token_s)
            raise classify.refusal(response.status, response.headers, body, origin=origin, key=api_key)
        body = await response.read(BODY_LIMIT + 1)
    if len(body) > BODY_LIMIT:
        raise ListTooLong(origin)
    return body


def _headers(provider: Provider, api_key: Secret | None) -> dict[str, str]:
    headers = {"Accept": "application/json", **provider.headers}
    if provider.models_list is ListShape.ANTHROPIC:
        headers["anthropic-version"] = _ANTHROPIC_VERSION
    if api_key is None:
        return headers
    match provider.models_list:
        case ListShape.ANTHROPIC:
            headers["x-api-key"] = api_key.reveal()
        case ListShape.GEMINI:
            headers["x-goog-api-key"] = api_key.reveal()
        case _:
            headers["Authorization"] = f"Bearer {api_key.reveal()}"
    return headers


def _read(shape: ListShape, body: bytes, key: KeyEcho, origin: Origin) -> _Page:
    """Read one page; raises `InvalidProviderResponse` where it is not JSON of the expected shape."""
    data = _json(body, origin)
    if shape is ListShape.OPENAI and isinstance(data, list):
        return _page(shape, cast("list[object]", data), key)  # Together sends the bare array
    if not isinstance(data, dict):
        raise _no_list(origin)
    fields = cast("dict[str, Any]", data)
    items: object = fields.get("data" if shape in {ListShape.OPENAI, ListShape.ANTHROPIC} else "models")
    if shape is ListShape.GEMINI and fields.keys() <= {"nextPageToken"}:
        items = []  # protobuf's JSON leaves an empty list out
    if not isinstance(items, list):
        raise _no_list(origin)
    page = _page(shape, cast("list[object]", items), key)
    match shape:
        case ListShape.ANTHROPIC:
            following = _text(fields.get("last_id")) if fields.get("has_more") is True else None
        case ListShape.GEMINI:
            following = _text(fields.get("nextPageToken"))
        case ListShape.OPENAI | ListShape.OLLAMA:
            following = None
    if following is not None and not fit_to_keep(following, key):
        return replace(page, cut=True)  # a URL has neither the key nor half a character in it
    return replace(page, following=following)


def _json(body: bytes, origin: Origin) -> object:
    """Parse a page; the slower parser takes halves of a surrogate pair, so that one entry does not cost the others."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not _HALF.search(body):
            raise _no_list(origin) from error
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _no_list(origin) from error


def _page(shape: ListShape, items: Sequence[object], key: KeyEcho) -> _Page:
    models = [cast("Mapping[str, Any]", item) for item in items[:ENTRY_LIMIT] if isinstance(item, dict)]
    clean = [without_unfit(model, key) for model in models]
    entries = [entry for model in clean if (entry := read_entry(shape, model)) is not None]
    return _Page(tuple(entries), cut=len(items) > ENTRY_LIMIT)


def _usable(provider: Provider, name: str) -> bool:
    """Tell whether `name` is a model to talk to and resolves to itself."""
    if provider.models_list is ListShape.OPENAI and not provider.gateway and _OTHER_PURPOSE.search(name.lower()):
        return False
    return (
        model_id.fits(name, provider.wire)
        and naming.own_id(provider, name) == name
        and naming.foreign_prefix(provider, name) is None
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _no_list(origin: Origin) -> InvalidProviderResponse:
    return InvalidProviderResponse(f"{origin.label} answered with something that is no list of models.", origin=origin)
