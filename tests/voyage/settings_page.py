"""The settings page's AI tab: what it asks, and what the person sees of the answers."""

from typing import Any, Final

from tests.voyage.chat_page import AI_SETTINGS, PROVIDERS, usable
from tests.voyage.frontend import Answer, Frontend

API_KEYS: Final = "/api/integrations/api-keys/"
GENERIC_ERROR: Final = "Something went wrong with your API keys."
UNAVAILABLE: Final = "API key storage is currently unavailable."
CONFIGURATION_ERROR: Final = "The API keys cannot be stored now."
FAVOURITE: Final = "anthropic"


class SettingsPage:
    """Opened with `load`."""

    def __init__(self, frontend: Frontend) -> None:
        self.frontend = frontend
        self.keys: list[dict[str, Any]] = []
        self.banner: str | None = None
        """Stays until a key could be saved."""
        self.catalogue: list[dict[str, Any]] = []
        """Every provider: a key can be added for each."""
        self.key_provider = FAVOURITE
        """Selected in the form for a new key."""
        self.error = ""
        """The last toast, if it told of a failure."""
        self.default_provider = ""
        self.default_model = ""
        self.models: list[str] = []

    @property
    def configured(self) -> list[str]:
        """Ids that can be made the default."""
        return [entry["id"] for entry in usable(self.catalogue)]

    async def load(self) -> None:
        keys = await self.frontend.server_load(API_KEYS)
        if keys.ok:
            self.keys = keys.json()
        elif keys.status == 503:
            self.banner = keys.json().get("detail") or UNAVAILABLE
        settings = await self.frontend.server_load(AI_SETTINGS)
        if settings.ok:
            for first in settings.json()[:1]:
                self._take_defaults(first)
        await self.load_catalogue()
        if self.default_provider:
            await self.load_models()

    async def load_catalogue(self) -> None:
        found = await self.frontend.get(PROVIDERS)
        if not found.ok:
            return
        catalogue = found.json()
        assert isinstance(catalogue, list), "the page breaks: it needs the bare list"
        self.catalogue = catalogue
        ids = [entry["id"] for entry in self.catalogue]
        if ids and self.key_provider not in ids:
            self.key_provider = ids[0]

    async def load_models(self) -> None:
        found = await self.frontend.get(f"{PROVIDERS}{self.default_provider}/models/")
        self.models = found.json()["models"] if found.ok else []

    async def save_key(self, api_key: str, provider: str | None = None) -> bool:
        """Save for the selected provider, or select `provider` first; give whether the page says that it worked."""
        self.key_provider = provider or self.key_provider
        answer = await self.frontend.post(API_KEYS, {"provider": self.key_provider, "api_key": api_key})
        if not answer.ok:
            self._refused(answer)
            return False
        saved = answer.json()
        others = [key for key in self.keys if key["provider"] != saved["provider"]]
        self.keys = sorted([*others, saved], key=lambda key: key["provider"])
        self.banner, self.error = None, ""
        return True

    async def delete_key(self, provider: str) -> bool:
        key_id = next(key["id"] for key in self.keys if key["provider"] == provider)
        answer = await self.frontend.delete(f"{API_KEYS}{key_id}/")
        if not answer.ok:
            self._refused(answer)
            return False
        self.keys = [key for key in self.keys if key["id"] != key_id]
        self.error = ""
        return True

    async def save_defaults(self, provider: str, model: str | None) -> bool:
        body = {"preferred_provider": provider, "preferred_model": model or None}
        answer = await self.frontend.post(AI_SETTINGS, body)
        if not answer.ok:
            self._refused(answer)
            return False
        self._take_defaults(answer.json())
        self.error = ""
        return True

    def _take_defaults(self, settings: dict[str, Any]) -> None:
        self.default_provider = settings["preferred_provider"] or ""
        self.default_model = settings["preferred_model"] or ""

    def _refused(self, answer: Answer) -> None:
        sentence = error_text(answer)
        if answer.status == 503:
            self.banner, self.error = sentence, CONFIGURATION_ERROR
        else:
            self.error = sentence


def error_text(answer: Answer) -> str:
    """What the page makes of a refusal."""
    try:
        body = answer.json()
    except ValueError:
        return GENERIC_ERROR
    texts = [body.get("detail"), *[(body.get(name) or [None])[0] for name in ("api_key", "provider")]]
    return next((text for text in texts if text), GENERIC_ERROR)
