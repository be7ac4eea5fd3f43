"""The providers that are known without any configuration: one row each, no secret, no behaviour.

A private endpoint needs no row here; it is a table of the operator's file (`app.providers.operator`). Base URLs and
default models were read from the providers' documentation in November 2026; `docs/providers.md` is made from this.
"""

from types import MappingProxyType
from typing import Final

from app.providers.provider import Chat, ListShape, Naming, Provider, Wire, WireRule
from app.providers.zen import GO_RULES, ZEN_MISMATCH, ZEN_RULES

_RESPONSES_ONLY: Final = WireRule(
    # Some have no other endpoint (pro, codex, deep research). The newest two families do chat on both, but call tools
    # on /chat/completions only with reasoning switched off: https://developers.openai.com/api/docs/guides/latest-model
    prefixes=(
        "gpt-6",
        "gpt-5.6",
        "gpt-5.5-pro",
        "gpt-5.4-pro",
        "gpt-5.3-codex",
        "gpt-5.2-pro",
        "gpt-5.2-codex",
        "gpt-5.1-codex",
        "gpt-5-pro",
        "gpt-5-codex",
        "o1-pro",
        "o3-pro",
        "o3-deep-research",
        "o4-mini-deep-research",
        "codex-",
    ),
    wire=Wire.OPENAI_RESPONSES,
)

VOYAGE_PROVIDERS: Final = (
    Provider(
        id="openai",
        label="OpenAI",
        api_base="https://api.openai.com/v1",
        default_model="gpt-6-luna",
        wire_rules=(_RESPONSES_ONLY,),
        litellm_prefix="openai",
        chat=Chat.OPENAI,
        lists_all=True,
    ),
    Provider(
        id="anthropic",
        label="Anthropic",
        api_base="https://api.anthropic.com/v1",
        default_model="claude-haiku-4-5",
        wire=Wire.ANTHROPIC_MESSAGES,
        models_list=ListShape.ANTHROPIC,
        lists_all=True,
    ),
    Provider(
        id="gemini",
        label="Google Gemini",
        api_base="https://generativelanguage.googleapis.com/v1beta",
        default_model="gemini-3.5-flash-lite",
        wire=Wire.GEMINI,
        version="v1beta",
        aliases=("google", "models"),  # its own list writes models/gemini-...
        models_list=ListShape.GEMINI,
        lists_all=True,
    ),
    Provider(
        id="ollama",
        label="Ollama",
        api_base="http://localhost:11434",
        default_model="llama3.1",
        wire=Wire.OLLAMA,
        version="",
        aliases=("ollama_chat",),
        naming=Naming.MIXED,
        namespaces=("hf.co", "huggingface.co", "library"),
        needs_api_key=False,
        guarded=False,
        models_list=ListShape.OLLAMA,
        lists_all=True,
    ),
    Provider(
        id="groq",
        label="Groq",
        api_base="https://api.groq.com/openai/v1",
        default_model="openai/gpt-oss-120b",
        naming=Naming.MIXED,
        namespaces=("openai", "meta-llama", "qwen", "moonshotai", "deepseek-ai", "google", "canopylabs", "minimax"),
        own_names=("compound", "compound-mini"),
        litellm_prefix="groq",
        lists_all=True,
    ),
    Provider(
        id="mistral",
        label="Mistral",
        api_base="https://api.mistral.ai/v1",
        default_model="mistral-small-latest",
        litellm_prefix="mistral",
        chat=Chat.MISTRAL,
        lists_all=True,
    ),
    Provider(
        id="github_models",
        label="GitHub Models",
        api_base="https://models.github.ai/inference",
        default_model="openai/gpt-4o",
        version="",
        prefix="github",
        naming=Naming.NAMESPACED,
        models_list=None,
        retired="GitHub Models was shut down on 30 July 2026; its API answers 410 Gone.",
    ),
    Provider(
        id="openrouter",
        label="OpenRouter",
        api_base="https://openrouter.ai/api/v1",
        default_model="openrouter/auto",
        naming=Naming.NAMESPACED,
        own_names=("auto", "free"),
        gateway=True,
        litellm_prefix="openrouter",
        # OpenRouter's app attribution; without these the client library names itself as the app.
        headers=MappingProxyType({"HTTP-Referer": "http://localhost", "X-Title": "Voyage LLM gateway"}),
    ),
    Provider(
        id="opencode_zen",
        label="OpenCode Zen",
        api_base="https://opencode.ai/zen/v1",
        default_model="gpt-6-luna",
        wire_rules=ZEN_RULES,
        mismatch=ZEN_MISMATCH,
        aliases=("openai", "anthropic", "gemini", "google", "opencode"),
        gateway=True,
        session_header="x-opencode-session",
        lists_all=True,
    ),
)

MORE_PROVIDERS: Final = (
    Provider(
        id="deepseek",
        label="DeepSeek",
        api_base="https://api.deepseek.com",
        default_model="deepseek-flash",
        version="",
    ),
    Provider(id="xai", label="xAI", api_base="https://api.x.ai/v1", default_model="grok-4.7"),
    Provider(
        id="together",
        label="Together AI",
        api_base="https://api.together.ai/v1",
        default_model="openai/gpt-oss-120b",
        aliases=("together_ai", "togetherai"),
        naming=Naming.NAMESPACED,
    ),
    Provider(
        id="fireworks",
        label="Fireworks AI",
        api_base="https://api.fireworks.ai/inference/v1",
        default_model="accounts/fireworks/models/glm-5p3-flash",
        aliases=("fireworks_ai",),
        naming=Naming.MIXED,
        namespaces=("accounts",),
    ),
    Provider(id="cerebras", label="Cerebras", api_base="https://api.cerebras.ai/v1", default_model="gpt-oss-120b"),
    Provider(
        id="sambanova",
        label="SambaNova",
        api_base="https://api.sambanova.ai/v1",
        default_model="gpt-oss-120b",
    ),
    Provider(
        id="perplexity",
        label="Perplexity",
        api_base="https://api.perplexity.ai",
        default_model="sonar",
        version="",
        models_list=None,  # the Sonar API documents no list
        models=("sonar", "sonar-deep-research", "sonar-pro", "sonar-reasoning-pro"),
    ),
    Provider(
        id="nvidia",
        label="NVIDIA NIM",
        api_base="https://integrate.api.nvidia.com/v1",
        default_model="nvidia/nemotron-3-super-120b-a12b",
        aliases=("nvidia_nim",),
        naming=Naming.NAMESPACED,
    ),
    Provider(
        id="moonshot",
        label="Moonshot AI (Kimi)",
        api_base="https://api.moonshot.ai/v1",
        default_model="kimi-k2.6",
        aliases=("moonshotai",),
    ),
    Provider(
        id="zai",
        label="Z.ai (GLM)",
        api_base="https://api.z.ai/api/paas/v4",
        default_model="glm-5.3-flash",
        version="v4",
        aliases=("zai-org",),
    ),
    Provider(
        id="huggingface",
        label="Hugging Face Inference Providers",
        api_base="https://router.huggingface.co/v1",
        default_model="openai/gpt-oss-120b",
        naming=Naming.NAMESPACED,
        gateway=True,
    ),
    Provider(
        id="deepinfra",
        label="DeepInfra",
        api_base="https://api.deepinfra.com/v1/openai",
        default_model="openai/gpt-oss-120b",
        naming=Naming.NAMESPACED,
    ),
    Provider(
        id="cohere",
        label="Cohere",
        api_base="https://api.cohere.ai/compatibility/v1",
        default_model="command-a-03-2025",
        aliases=("cohere_chat",),
        models_list=None,  # its list has a shape of its own, outside the compatible API
        models=(
            "command-a-03-2025",
            "command-a-plus-05-2026",
            "command-r-08-2024",
            "command-r-plus-08-2024",
            "command-r7b-12-2024",
        ),
    ),
    Provider(
        id="vercel_ai_gateway",
        label="Vercel AI Gateway",
        api_base="https://ai-gateway.vercel.sh/v1",
        default_model="openai/gpt-6-luna",
        naming=Naming.NAMESPACED,
        gateway=True,
    ),
    Provider(
        id="opencode_go",
        label="OpenCode Go",
        api_base="https://opencode.ai/zen/go/v1",
        default_model="glm-5.3",
        wire_rules=GO_RULES,
        mismatch=ZEN_MISMATCH,
        aliases=("opencode-go", "opencode"),
        gateway=True,
        session_header="x-opencode-session",  # required here: 400 MissingSessionID without it
    ),
    Provider(
        id="lmstudio",
        label="LM Studio",
        api_base="http://localhost:1234/v1",
        default_model=None,  # whatever the person has loaded
        aliases=("lm_studio",),
        needs_api_key=False,
        guarded=False,
        gateway=True,
    ),
    Provider(
        id="custom",
        label="OpenAI-compatible endpoint",
        api_base="",
        own_address=True,
        version="",
        default_model=None,  # whatever is served there
        gateway=True,
    ),
)

CATALOG: Final[tuple[Provider, ...]] = VOYAGE_PROVIDERS + MORE_PROVIDERS

ROUTING_PREFIXES: Final[frozenset[str]] = frozenset(
    prefix
    for row in CATALOG
    for prefix in (row.id, row.routing_prefix, *(() if row.gateway else row.aliases))
    if prefix != "models"
)
"""Prefixes that name a provider of the catalogue. An operator's own ids are left out: naming a private endpoint
`qwen` must not turn the `qwen/...` ids of other providers into mistakes."""


def demo_row(base_url: str) -> Provider:
    """Give the provider that the development server plays itself at `base_url`; it needs no key."""
    return Provider(
        id="demo",
        label="Demo",
        api_base=base_url,
        default_model="demo-small",
        needs_api_key=False,
        guarded=False,
        gateway=True,
        counted=False,
    )
