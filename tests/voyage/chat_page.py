"""The chat panel: what it asks, and what the person sees of the answers."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final, cast

import httpx

from tests.voyage.frontend import Frontend
from tests.voyage_reader import VoyageReader

CONVERSATIONS: Final = "/api/chat/conversations/"
PROVIDERS: Final = "/api/chat/providers/"
AI_SETTINGS: Final = "/api/integrations/ai-settings/"
CONNECTION_ERROR: Final = "Connection error. Please try again."
NO_PROVIDERS: Final = "Failed to load AI providers"
NONE_CONFIGURED: Final = "No AI providers configured. Add an API key in Settings."


@dataclass(slots=True)
class Bubble:
    role: str
    text: str
    tool_results: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """`name` and `result` of each."""


@dataclass(slots=True)
class Trip:
    """What the page around the panel tells it; what is None is left out of the request."""

    collection_id: str | None = None
    collection_name: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    destination: str | None = None

    def sent(self) -> dict[str, str]:
        names = ("collection_id", "collection_name", "start_date", "end_date", "destination")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class ChatPage:
    """Opened with `load`; a reload is another page with the same `storage`."""

    def __init__(self, frontend: Frontend, trip: Trip | None = None, *, storage: dict[str, str] | None = None) -> None:
        self.frontend = frontend
        self.trip = trip or Trip()
        self.storage = {} if storage is None else storage
        """The browser's local storage."""
        self.providers: list[dict[str, Any]] = []
        """Those the person may choose from."""
        self.provider_error = ""
        self.provider = ""
        self.model = ""
        self.models: list[str] = []
        self.conversations: list[dict[str, Any]] = []
        """The sidebar."""
        self.selected: str | None = None
        """The open conversation's id."""
        self.bubbles: list[Bubble] = []
        self.streaming = False
        self._preferred_provider = ""
        self._preferred_model = ""

    @property
    def bubble(self) -> str:
        """The text of the last bubble."""
        return self.bubbles[-1].text if self.bubbles else ""

    @property
    def titles(self) -> list[str]:
        return [conversation["title"] for conversation in self.conversations]

    @property
    def has_input(self) -> bool:
        """Whether the person can write at all."""
        return bool(self.providers) and not self.streaming

    async def load(self) -> None:
        await asyncio.gather(self._load_list(), self._load_providers(), self._load_settings())
        saved = self.storage.get(self._storage_key)
        if saved and any(conversation["id"] == saved for conversation in self.conversations):
            await self.select(saved)
        await self._choose_first()

    async def choose_provider(self, provider: str) -> None:
        self.provider = provider
        await self._load_models()
        if self.model not in self.models:
            self.model = self._fallback_model()

    async def new_conversation(self) -> str | None:
        """Give the id; None if it could not be made, of which the person sees nothing."""
        created = await self.frontend.post(CONVERSATIONS, {})
        if not created.ok:
            return None
        conversation = created.json()
        self.conversations.insert(0, conversation)
        self._open(conversation["id"])
        return self.selected

    async def select(self, conversation_id: str) -> None:
        self.selected = conversation_id
        self.storage[self._storage_key] = conversation_id
        found = await self.frontend.get(f"{CONVERSATIONS}{conversation_id}/")
        if found.ok:
            self.bubbles = rebuilt(found.json().get("messages") or [])

    async def delete(self, conversation_id: str) -> None:
        await self.frontend.delete(f"{CONVERSATIONS}{conversation_id}/")
        self.conversations = [known for known in self.conversations if known["id"] != conversation_id]
        if self.selected == conversation_id:
            self._open(None)

    async def send(self, text: str) -> str:
        """Give what the answer's bubble shows in the end; "" if nothing was sent. Cancelling it is leaving the page."""
        if not text.strip() or self.streaming or all(entry["id"] != self.provider for entry in self.providers):
            return ""
        conversation_id = self.selected or await self.new_conversation()
        if conversation_id is None:
            return ""
        self.bubbles += [Bubble("user", text), answer := Bubble("assistant", "")]
        body = {"message": text, "provider": self.provider, "model": self.model, **self.trip.sent()}
        if not self.model:
            del body["model"]
        self.streaming = True
        finished = False
        try:
            finished = await self._read(f"{CONVERSATIONS}{conversation_id}/send_message/", body, answer)
        except (httpx.TransportError, ValueError):
            answer.text = CONNECTION_ERROR
        finally:
            self.streaming = False
        if finished:
            await self._load_list()
        return answer.text

    async def _read(self, path: str, body: dict[str, Any], answer: Bubble) -> bool:
        """Give whether there was a stream."""
        async with self.frontend.open("POST", path, body) as response:
            if not response.ok:
                whole = b"".join([chunk async for chunk in response.chunks()])
                answer.text = json.loads(whole).get("error") or CONNECTION_ERROR
                assert isinstance(answer.text, str), "the panel breaks: only a text can be shown"
                return False
            reader = VoyageReader()
            async for chunk in response.chunks():
                reader.feed(chunk)
                answer.text = reader.bubble
                assert isinstance(answer.text, str), "the panel breaks: only a text can be shown"
                answer.tool_results = [
                    {"name": result.get("name"), "result": result.get("result")} for result in reader.tool_results
                ]
        return True

    async def _load_list(self) -> None:
        found = await self.frontend.get(CONVERSATIONS)
        if found.ok:
            self.conversations = found.json()

    async def _load_providers(self) -> None:
        found = await self.frontend.get(PROVIDERS)
        try:
            listed = found.json() if found.ok else None
        except ValueError:
            listed = None
        if listed is None:
            self.provider_error = NO_PROVIDERS
            return
        assert isinstance(listed, list), "the settings page needs the bare list"
        self.providers = usable(cast("list[dict[str, Any]]", listed))
        self.provider_error = "" if self.providers else NONE_CONFIGURED

    async def _load_settings(self) -> None:
        found = await self.frontend.get(AI_SETTINGS)
        if not found.ok:
            return
        for first in found.json()[:1]:
            self._preferred_provider = (first["preferred_provider"] or "").strip().lower()
            self._preferred_model = (first["preferred_model"] or "").strip()

    async def _choose_first(self) -> None:
        if not self.providers:
            return
        ids = [entry["id"] for entry in self.providers]
        own = [entry["id"] for entry in self.providers if entry["user_configured"]]
        preferred = [self._preferred_provider] if self._preferred_provider in ids else []
        self.provider = [*preferred, *own, *ids][0]
        await self._load_models()
        self.model = self._fallback_model()
        if self.provider == self._preferred_provider and self._preferred_model in self.models:
            self.model = self._preferred_model

    async def _load_models(self) -> None:
        found = await self.frontend.get(f"{PROVIDERS}{self.provider}/models/")
        try:
            self.models = found.json().get("models") or []
        except ValueError:
            self.models = []

    def _fallback_model(self) -> str:
        default = next(entry["default_model"] for entry in self.providers if entry["id"] == self.provider)
        return default or next(iter(self.models), "")

    def _open(self, conversation_id: str | None) -> None:
        self.selected = conversation_id
        self.bubbles = []
        if conversation_id is None:
            self.storage.pop(self._storage_key, None)
        else:
            self.storage[self._storage_key] = conversation_id

    @property
    def _storage_key(self) -> str:
        suffix = f"_{self.trip.collection_id}" if self.trip.collection_id else ""
        return f"voyage_active_conversation{suffix}"


def usable(providers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those with a key, the person's or the instance's."""
    return [
        entry
        for entry in providers
        if entry["available_for_chat"] and (entry["user_configured"] or entry["instance_configured"])
    ]


def rebuilt(messages: list[dict[str, Any]]) -> list[Bubble]:
    """Give the bubbles of stored messages: results hang on the answer whose calls they belong to."""
    bubbles: list[Bubble] = []
    waiting: set[str] = set()
    for message in messages:
        if message["role"] != "tool":
            bubbles.append(Bubble(message["role"], message["content"]))
            if message["role"] == "assistant":
                calls: list[dict[str, Any]] = message["tool_calls"] or []
                waiting = {call["id"] for call in calls}
        elif message["tool_call_id"] in waiting:
            waiting.discard(message["tool_call_id"])
            answer = next(bubble for bubble in reversed(bubbles) if bubble.role == "assistant")
            answer.tool_results.append({"name": message["name"], "result": _parsed(message["content"])})
    return bubbles


def _parsed(content: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content
