"""Write docs/providers.md from the catalogue: `python -m scripts.write_provider_docs [--check]`."""
# ruff: noqa: INP001 - a script, no package

import sys
from pathlib import Path
from typing import Final

from app.providers import base_url
from app.providers.catalog import CATALOG
from app.providers.provider import ListShape, Provider

PAGE: Final = Path(__file__).parent.parent / "docs" / "providers.md"

_HEAD: Final = """\
# Providers

Made from `app/providers/catalog.py` by `python -m scripts.write_provider_docs`; edit that file, not this one.

A model id is written as the provider writes it. The provider's id and a slash may stand before it
(`groq/openai/gpt-oss-120b`) and are taken off. Where no model is named, the default model is used. Base URLs and
default models were taken from the providers' documentation; no live account was used to check them.

| id | label | default model | wire | base URL | API key | status |
|---|---|---|---|---|---|---|
"""

_RULES_HEAD: Final = """
## More than one wire

The beginning of the model id chooses the wire; the first line that fits counts.

| provider | the model id begins with | wire | called URL |
|---|---|---|---|
"""

_LISTS_HEAD: Final = """
## Model lists

`GET /api/chat/providers/{id}/models/` asks the provider itself, except where it offers no list:

"""

_SHAPES_HEAD: Final = "\nThe others answer in one of these shapes:\n\n"

_OWN: Final = """
## Your own endpoint

A provider that is not in the table is a table of the configuration file. A new one needs `api_base` and `models`;
everything else has a default, and the first of `models` is the default model. The same keys change a row above.

```toml
[providers.workshop]
api_base = "http://10.0.0.7:8080/v1"
models = ["qwen3-32b", "gpt-oss-20b"]
needs_api_key = false
```

`api_base` may be pasted with or without a slash at the end, with or without the version segment, or as a whole
endpoint (`.../v1/chat/completions`): all mean the same. A service without a version segment is given as the whole
endpoint (`https://llm.example.org/chat/completions`). `wire` is one of `openai_chat`, `openai_responses`,
`anthropic_messages`, `gemini` and `ollama`.
"""


def render() -> str:
    """Give the page."""
    rows = "".join(_row(provider) for provider in CATALOG)
    rules = "".join(_rules(provider) for provider in CATALOG if provider.wire_rules)
    fixed = "".join(
        f"- {provider.label}: {_codes(provider.models)}\n"
        for provider in CATALOG
        if provider.models_list is None and provider.models
    )
    keyless = [provider.label for provider in CATALOG if not provider.needs_api_key]
    kinds = f"\nWithout a key: {', '.join(keyless)}.\n" if keyless else ""
    shapes = "".join(
        f"- {shape.value} shape: {', '.join(p.label for p in CATALOG if p.models_list is shape)}\n"
        for shape in ListShape
    )
    return f"{_HEAD}{rows}{kinds}{_RULES_HEAD}{rules}{_LISTS_HEAD}{fixed}{_SHAPES_HEAD}{shapes}{_OWN}"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` only compare; the exit code is 1 where it is out of date."""
    page = render()
    if "--check" in arguments:
        return 0 if PAGE.read_text(encoding="utf-8") == page else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


def _row(provider: Provider) -> str:
    wires = dict.fromkeys((provider.wire, *(rule.wire for rule in provider.wire_rules)))
    cells = (
        f"`{provider.id}`",
        provider.label,
        f"`{provider.default_model}`" if provider.default_model else "name one",
        ", ".join(wire.value for wire in wires),
        f"`{provider.api_base}`",
        "yes" if provider.needs_api_key else "no",
        provider.retired or "available",
    )
    return f"| {' | '.join(cells)} |\n"


def _rules(provider: Provider) -> str:
    lines = [(_codes(rule.prefixes), rule.wire) for rule in provider.wire_rules]
    lines.append(("anything else", provider.wire))
    return "".join(
        f"| {provider.label} | {begins} | {wire.value} | `{base_url.endpoint(provider.api_base, wire, 'MODEL')}` |\n"
        for begins, wire in lines
    )


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
