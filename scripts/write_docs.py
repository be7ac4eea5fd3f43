"""Write the generated pages of docs/: `python -m scripts.write_docs [--check]`."""
# ruff: noqa: INP001 - a script, no package

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from app.errors import GatewayError, all_errors
from app.providers.base_url import call_endpoint
from app.providers.catalog import CATALOG
from app.providers.mismatch import Mismatch
from app.providers.model_lookup import ADVICE_S
from app.providers.models_cache import KEEP_FAILURE_SECONDS, KEEP_SECONDS, STALE_SECONDS
from app.providers.provider import ListShape, Provider
from app.providers.snapshot import SNAPSHOT
from scripts.faults_page import render_faults
from scripts.tools_page import render_tools

DOCS: Final = Path(__file__).parent.parent / "docs"

_ERRORS_HEAD: Final = """\
# Errors

Made from `app/errors/` by `make docs`; edit that, not this page.

Every failure is the same object: as the body of an HTTP answer, inside the event that ends a stream, and on the stored
message. `error` is one text for a person, with what to do. After text was shown in a stream it begins with that text.
`error_category` and `error_detail.code` are one of the codes below; the list is closed.

```json
{
  "error": "OpenAI refused the API key. Check the OpenAI key in Settings.",
  "error_category": "authentication_failed",
  "detail": "OpenAI refused the API key. Check the OpenAI key in Settings.",
  "error_detail": {
    "code": "authentication_failed", "message": "...", "action": "...",
    "fault": "credential", "phase": "first_token", "retryable": false, "retry_after_s": null, "http_status": 424,
    "provider": "openai", "model": "gpt-6-luna",
    "upstream_status": 401, "upstream_code": "invalid_api_key", "upstream_request_id": "req_1",
    "upstream_message": "a cleaned excerpt of at most 300 characters, or null",
    "did_you_mean": [], "fields": {}, "partial": false,
    "request_id": "...", "run_id": "...", "docs_url": "docs/errors.md#authentication_failed"
  }
}
```

- `fault`: whose turn it is: `caller`, `credential`, `policy`, `provider`, `network` or `gateway`.
- `phase`: how far it came: `request`, `connect`, `first_token`, `mid_stream`, `tool` or `storage`.
- `retryable`: whether the same request may work later; `retry_after_s` says when, where it is known, and the
  `Retry-After` header says the same.
- `docs_url`: where this page tells more, as a path in the gateway's repository; it is no link by itself.
- `fields`: for `validation_error`, the texts of each wrong field; they also stand at the top level under its name.

| code | HTTP | fault | may work later | when | what the person reads |
|---|---|---|---|---|---|
"""

_PROVIDERS_HEAD: Final = """\
# Providers

Made from `app/providers/catalog.py` by `make docs`; edit that, not this page.

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

_MOVING_HEAD: Final = """
Gateways move models from one protocol to another. These say so when they refuse one, before anything is charged:

"""

_MOVING: Final = """
Then the other wires of the provider are tried, each at most once, those of models with a like name first. The one that
answers is kept for this model at this address, in the database, and the next message goes there at once; a wire that
is refused later is forgotten in the same way. `wires` of `GET /api/chat/providers/{id}/models/` shows how each model is
called and who says so: `operator`, `learned` or `catalog`, in this order. The key `wires` of the configuration file
([configuration.md](configuration.md)) is the operator's word, and nothing else is tried then.
"""

_LISTS_HEAD: Final = """
## Model lists

`GET /api/chat/providers/{id}/models/` asks the provider itself, except where it offers no list:

"""

_SHAPES_HEAD: Final = "\nThe others answer in one of these shapes:\n\n"

_CATALOGUE_HEAD: Final = f"""
Each list is asked for with the key that a message would use, and no key ever sees another one's. It is kept for
{KEEP_SECONDS:g} seconds; an older one is given with its age while a newer one is fetched, for at most
{STALE_SECONDS / 3600:g} hours. A list that failed is not asked for again for {KEEP_FAILURE_SECONDS:g} seconds.
`models` are ids to send back; `details` has what is known of each, where null is "not known":

- `label`: the provider's own name for people, else the id.
- `context_tokens`, `max_output_tokens`: what the model reads and writes; conversations are trimmed to the first.
- `tools`: `false` only where the provider says so; what nobody has denied is tried.
- `price`: US dollars for a million tokens, `input` and `output`.
- `status`: `available`, `deprecated` or `retired`.
- `family`: the wire that serves it.
- `source`: `live` for the list, `snapshot` for the facts that come with the gateway, `configured` for the provider's
  row here or in the operator's file, `unknown` for a model that only a setting names.

What a list does not say comes from `app/providers/models_snapshot.toml`, checked on {SNAPSHOT.checked_on}; where a
provider cannot be reached and no list of it is left, its models there stand in. `source`, `age_seconds`, `stale` and
`warning` beside the list say which one it is.

## Unknown models

A message for a model that is clearly not there is refused with `model_not_found` and up to three ids of the caller's
own list in `did_you_mean`, before the provider is called and before anything is stored. That needs a list of the same
key that is younger than {KEEP_SECONDS:g} seconds, whole and not empty, from a provider whose list names all that it
serves:
"""

_TRIED: Final = f"""
Everything else is tried, and the provider's own refusal gets the same suggestions:

- any model of the other providers, whose lists leave out variants and aliases;
- ids that end in `-latest`;
- an id that differs from a listed one in its date, its tag (`llama3.1` and `llama3.1:8b`), its vendor, or a `preview`,
  `0` and the like at its end;
- what the operator has named, as `models`, `default_model` or `VOYAGE_AI_MODEL`.

A list that is missing, empty, stale or failed is one line in the log, `model_not_checked`. No message waits for a list
before its call; only the news that a model does not exist waits for one, for {ADVICE_S:g} seconds.
"""

_OWN: Final = """
## A user's own endpoint

The provider `custom` is wherever its user says: `api_base` comes with the key, which is sealed for that host.

```sh
curl -s $GW/api/integrations/api-keys/ -H 'Content-Type: application/json' \\
  -d '{"provider": "custom", "api_key": "sk-...", "api_base": "https://llm.example.org/v1"}'
```

It speaks `openai_chat`; an endpoint that wants no key is given any word as one. `api_base` begins with https and leads
to a public address; `GATEWAY_ALLOWED_NETWORKS` opens others, and http to them. What the name leads to is checked at
each connection; anything else is `address_not_allowed`, and nothing is sent. So are the addresses of the rows above,
but not what the operator sets.

## The operator's own endpoints

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


def render_errors() -> str:
    """Give docs/errors.md."""
    return _ERRORS_HEAD + "".join(_error_row(kind) for kind in all_errors())


def render_providers() -> str:
    """Give docs/providers.md."""
    rows = "".join(_provider_row(provider) for provider in CATALOG)
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
    moving = "".join(
        f"- {provider.label}: {_refusal(provider.mismatch)}\n" for provider in CATALOG if provider.mismatch
    )
    wires = f"{_RULES_HEAD}{rules}{_MOVING_HEAD}{moving}{_MOVING}"
    lists = f"{_LISTS_HEAD}{fixed}{_SHAPES_HEAD}{shapes}{_catalogue()}"
    return f"{_PROVIDERS_HEAD}{rows}{kinds}{wires}{lists}{_OWN}"


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "errors.md": render_errors,
    "faults.md": render_faults,
    "providers.md": render_providers,
    "voyage-tools.md": render_tools,
}


def main(arguments: list[str], docs: Path = DOCS) -> int:
    """Write the pages, or with `--check` only compare; the exit code is 1 where one is out of date."""
    for name, render in PAGES.items():
        path = docs / name
        if "--check" not in arguments:
            path.write_text(render(), encoding="utf-8")
        elif path.read_text(encoding="utf-8") != render():
            return 1
    return 0


def _error_row(kind: type[GatewayError]) -> str:
    when = (kind.__doc__ or "").split("\n")[0].rstrip(".")
    said = f"{kind.says} {kind.action_default}".strip().replace("{provider}", "OpenAI").replace("{model}", "gpt-x")
    cells = (
        f'<a id="{kind.code}"></a>`{kind.code}`',
        str(kind.status),
        kind.fault.value,
        "yes" if kind.retryable else "no",
        when,
        said,
    )
    return f"| {' | '.join(cells)} |\n"


def _catalogue() -> str:
    believed = ", ".join(provider.label for provider in CATALOG if provider.lists_all)
    return f"{_CATALOGUE_HEAD}{believed}.\n{_TRIED}"


def _provider_row(provider: Provider) -> str:
    wires = dict.fromkeys((provider.wire, *(rule.wire for rule in provider.wire_rules)))
    cells = (
        f"`{provider.id}`",
        provider.label,
        f"`{provider.default_model}`" if provider.default_model else "name one",
        ", ".join(wire.value for wire in wires),
        f"`{provider.api_base}`" if provider.api_base else "each user's own",
        "yes" if provider.needs_api_key else "no",
        provider.retired or "available",
    )
    return f"| {' | '.join(cells)} |\n"


def _rules(provider: Provider) -> str:
    lines = [(_codes(rule.prefixes), rule.wire) for rule in provider.wire_rules]
    lines.append(("anything else", provider.wire))
    return "".join(
        f"| {provider.label} | {begins} | {wire.value} | `{call_endpoint(provider.api_base, wire, 'MODEL')}` |\n"
        for begins, wire in lines
    )


def _refusal(mismatch: Mismatch) -> str:
    return f'{mismatch.status}, `{mismatch.name}`, "... {mismatch.words} ..."'


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
