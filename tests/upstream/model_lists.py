"""The lists of models, in each provider's shape."""

from collections.abc import Sequence
from typing import Any

from tests.upstream.recorded import Recorded


def model_list(recorded: Recorded, models: Sequence[str]) -> dict[str, Any] | None:
    """Give the body that answers this request; None if it asks for no list."""
    route = recorded.route
    if recorded.method == "GET" and route == "/api/tags":
        details = {"format": "gguf", "family": "llama", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"}
        tags = [{"name": name, "model": name, "size": 4_661_224_676, "details": details} for name in models]
        return {"models": tags}
    if recorded.method == "POST" and route == "/api/show":
        return {"details": {"family": "llama"}, "model_info": {}, "capabilities": ["completion", "tools"]}
    if recorded.method != "GET" or not route.endswith("/models"):
        return None
    if "anthropic-version" in recorded.headers:
        return _anthropic(models)
    if "x-goog-api-key" in recorded.headers:
        return {"models": [_gemini(name) for name in models]}
    rows = [{"id": name, "object": "model", "created": 1_795_000_000, "owned_by": "upstream"} for name in models]
    return {"object": "list", "data": rows}


def _anthropic(models: Sequence[str]) -> dict[str, Any]:
    created = "2026-10-01T00:00:00Z"
    rows = [{"type": "model", "id": name, "display_name": name.title(), "created_at": created} for name in models]
    ends = {"first_id": models[0] if models else None, "last_id": models[-1] if models else None}
    return {"data": rows, "has_more": False} | ends


def _gemini(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "displayName": name.title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }
