"""What one entry of a provider's list says about its model, in each shape; nothing of it is believed to be there.

Fields as the providers document them: https://platform.claude.com/docs/en/api/models-list,
https://ai.google.dev/api/models, https://console.groq.com/docs/models, https://docs.mistral.ai/api/endpoint/models,
https://openrouter.ai/docs/api-reference/list-available-models, https://docs.ollama.com/api/tags.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

from app.providers.model_id import MODEL_ID_LIMIT
from app.providers.model_info import ModelInfo, ModelSource, ModelStatus, Price
from app.providers.provider import ListShape

_OTHER_TYPES: Final = frozenset({"embedding", "image", "moderation", "rerank", "audio", "transcribe", "video"})
_LEAST_WINDOW: Final = 1_000
"""Tokens. Zero and other small figures mean "not said"; believed, they would stop every message."""
_MOST_TOKENS: Final = 100_000_000
_LABEL_LIMIT: Final = 200
_MOST_ALIASES: Final = 50
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One model as its list shows it."""

    info: ModelInfo
    aliases: tuple[str, ...] = ()
    chats: bool = True


def read_entry(shape: ListShape, model: Mapping[str, Any]) -> Entry | None:
    """Give what `model` says; None for an entry without an id. Raises nothing: an odd value counts as not said."""
    match shape:
        case ListShape.OPENAI:
            return _openai(model)
        case ListShape.ANTHROPIC:
            return _named(_text(model.get("id")), label=_label(model.get("display_name")))
        case ListShape.GEMINI:
            return _gemini(model)
        case ListShape.OLLAMA:
            return _named(_text(model.get("name")) or _text(model.get("model")))


def _openai(model: Mapping[str, Any]) -> Entry | None:
    """Read OpenAI's shape with what its followers add: Groq's windows, Mistral's capabilities, OpenRouter's prices."""
    abilities, pricing, top = (_object(model.get(key)) for key in ("capabilities", "pricing", "top_provider"))
    type_: object = model.get("type")
    other = isinstance(type_, str) and type_ in _OTHER_TYPES
    windows = (model.get(key) for key in ("context_window", "context_length", "max_context_length"))
    outputs = (model.get("max_completion_tokens"), top.get("max_completion_tokens"))
    return _named(
        _text(model.get("id")),
        label=_label(model.get("name")),
        context_tokens=next(filter(None, map(_window, windows)), None),
        max_output_tokens=next(filter(None, map(_tokens, outputs)), None),
        tools=_tools(model, abilities),
        price=_price(pricing),
        status=ModelStatus.DEPRECATED if _text(model.get("deprecation")) else ModelStatus.AVAILABLE,
        aliases=_texts(model.get("aliases")),
        chats=not other and model.get("active") is not False and abilities.get("completion_chat") is not False,
    )


def _gemini(model: Mapping[str, Any]) -> Entry | None:
    name = _text(model.get("name"))
    return _named(
        name.removeprefix("models/") if name else None,
        label=_label(model.get("displayName")),
        context_tokens=_window(model.get("inputTokenLimit")),
        max_output_tokens=_tokens(model.get("outputTokenLimit")),
        chats="generateContent" in _texts(model.get("supportedGenerationMethods")),
    )


def _named(
    model_id: str | None,
    *,
    status: ModelStatus = ModelStatus.AVAILABLE,
    aliases: tuple[str, ...] = (),
    chats: bool = True,
    **facts: Any,  # noqa: ANN401 - fields of `ModelInfo`, whose own types hold
) -> Entry | None:
    if not model_id or len(model_id) > MODEL_ID_LIMIT:
        return None
    return Entry(ModelInfo(id=model_id, status=status, source=ModelSource.LIVE, **facts), aliases, chats)


def _tools(model: Mapping[str, Any], abilities: Mapping[str, Any]) -> bool | None:
    calling: object = abilities.get("function_calling")
    if isinstance(calling, bool):
        return calling
    parameters = _texts(model.get("supported_parameters"))
    return "tools" in parameters if parameters else None


def _price(pricing: Mapping[str, Any]) -> Price | None:
    """Read OpenRouter's dollars for one token, which are texts; -1 stands for a price that varies."""
    sent, written = _dollars(pricing.get("prompt")), _dollars(pricing.get("completion"))
    return None if sent is None or written is None else Price(input=sent, output=written)


def _dollars(value: object) -> float | None:
    if not isinstance(value, str) or len(value) > 40:  # noqa: PLR2004 - far longer than any price
        return None
    try:
        dollars = Decimal(value)
    except InvalidOperation:
        return None
    if not dollars.is_finite() or not 0 <= dollars <= 1:
        return None
    return float(dollars * _MILLION)


def _window(value: object) -> int | None:
    tokens = _tokens(value)
    return tokens if tokens is not None and tokens >= _LEAST_WINDOW else None


def _tokens(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST_TOKENS:
        return None
    return value


def _label(value: object) -> str | None:
    text = _text(value)
    return text.strip()[:_LABEL_LIMIT] or None if text is not None and text.isprintable() else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    items = cast("list[object]", value)[:_MOST_ALIASES] if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str) and len(item) <= MODEL_ID_LIMIT)


def _object(value: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
