"""Asks a provider for its list of models, which costs nothing, and for whether an API answers at an address at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from app.doctor.case import Case
from app.doctor.witness import Head, Witness
from app.errors import ConfigError, GatewayError, ProviderTimeout, StreamInterrupted
from app.providers import base_url, classify
from app.providers.model_info import ModelList
from app.providers.models_list import ListTooLong, fetch_models
from app.providers.provider import ListShape, Wire
from app.providers.transport import Sender
from app.secret import Secret

_SHAPES: Final[Mapping[Wire, ListShape]] = {
    Wire.ANTHROPIC_MESSAGES: ListShape.ANTHROPIC,
    Wire.GEMINI: ListShape.GEMINI,
    Wire.OLLAMA: ListShape.OLLAMA,
}
_NO_API: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})
NEIGHBOURS: Final = 4
"""How many base URLs beside a wrong one are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What came of one request for the list; either `error` or `found` counts."""

    found: ModelList = field(default_factory=lambda: ModelList(models={}, named=frozenset()))
    error: GatewayError | None = None
    head: Head | None = None
    """None where no answer came."""

    @property
    def answers(self) -> bool:
        """Whether an API answers here: with its list, or by refusing it in an object, as one does without a key."""
        if self.error is None:
            return True
        return self.head is not None and _refuses(self.head)

    @property
    def no_api(self) -> bool:
        """Whether something answers that is not this API: a page, nothing at this path, or no list."""
        broken = isinstance(self.error, StreamInterrupted | ProviderTimeout | ListTooLong)
        if self.error is None or self.head is None or self.head.redirect or broken:
            return False
        html = self.head.html and self.head.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return html or self.head.status in _NO_API or self.head.status < HTTPStatus.MULTIPLE_CHOICES


async def ask_list(sender: Sender, case: Case, api_key: Secret | None, *, base: str | None = None) -> Listed:
    """Ask for the list at the provider's own base URL or at `base`; nothing of it is an exception but a timeout.

    A provider that is known to have none is asked as others on its wire are: something answers all the same.
    """
    row = case.provider
    if row.models_list is None:
        row = replace(row, models_list=_SHAPES.get(row.wire, ListShape.OPENAI), models=())
    if base is not None:
        row = replace(row, api_base=base, version="")
    witness = Witness(sender)
    try:
        found = await fetch_models(witness, row, api_key, seconds=case.provider.deadlines.total_s, own_key=case.key.own)
    except GatewayError as error:
        return Listed(error=error, head=witness.last)
    return Listed(found=found, head=witness.last)


async def speaks(sender: Sender, case: Case, base: str) -> bool:
    """Tell whether the wire's own path refuses an empty request in JSON, as an API does before a model sees it.

    Sent without the key: what refuses it needs none for that.
    """
    witness = Witness(sender)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    limits = case.provider.deadlines
    url = base_url.call_endpoint(base, case.wire, case.model or "model")
    try:
        async with witness.request(
            "POST",
            url,
            headers=headers,
            body=b"{}",
            deadlines=limits,
            origin=case.origin,
            guarded=case.provider.guarded,
        ) as response:
            await response.read(classify.BODY_LIMIT)
    except GatewayError:
        return False
    return witness.last is not None and _refuses(witness.last)


async def find_base(sender: Sender, case: Case, base: str) -> str | None:
    """Give the first base URL beside `base` at which the API answers: with another version segment, or with none."""
    for other in neighbours(base, case.provider.wire):
        if (await ask_list(sender, case, case.key.secret, base=other)).answers or await speaks(sender, case, other):
            return other
    return None


def neighbours(base: str, wire: Wire) -> tuple[str, ...]:
    """Give the base URLs that differ from `base` by one version segment, the likely ones first."""
    parts = urlsplit(base)
    root = f"{parts.scheme}://{parts.netloc}"
    segments = [segment for segment in parts.path.split("/") if segment]
    versions = [place for place, segment in enumerate(segments) if base_url.has_version([segment])]
    paths = [segments[:place] + segments[place + 1 :] for place in reversed(versions)]
    usual = base_url.default_version(wire)
    if usual and (not segments or segments[-1] != usual):
        paths.insert(0, [*segments, usual])
    paths += [segments[: place + 1] for place in versions if segments[place + 1 :]]
    found = dict.fromkeys("/".join((root, *path)) for path in paths)
    return tuple(url for url in found if url != base and _usable(url, wire))[:NEIGHBOURS]


def _usable(url: str, wire: Wire) -> bool:
    """Tell whether asking for it asks for it, and not for what a pasted one means."""
    try:
        return base_url.canonical(url, wire=wire, version="") == url
    except ConfigError:
        return False


def _refuses(head: Head) -> bool:
    client_error = HTTPStatus.BAD_REQUEST <= head.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return head.json and client_error and head.status not in _NO_API
