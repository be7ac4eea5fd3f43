"""Write docs/errors.md and docs/faults.md: `python -m scripts.write_error_docs [--check]`."""
# ruff: noqa: INP001 - a script, no package

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from app.errors import GatewayError, all_errors
from app.providers.provider import Wire
from tests.upstream import FAULTS

DOCS: Final = Path(__file__).parent.parent / "docs"

_ERRORS_HEAD: Final = """\
# Errors

Made from `app/errors.py` by `make docs`; edit that file, not this one.

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
- `fields`: for `validation_error`, the texts of each wrong field; they also stand at the top level under its name.

| code | HTTP | fault | may work later | when | what the person reads |
|---|---|---|---|---|---|
"""

_FAULTS_HEAD: Final = """\
# What goes wrong at a provider, and what the gateway says

Made by `make docs` from the corpus that `tests/providers/test_litellm_lane.py` and `tests/stories/` play on real
sockets: a row is one failure of a provider, a cell the code that the gateway gives it on that wire. `-` means that the
answer is good, an empty cell that it cannot happen there. No cell is `unknown_error`, and none is reported complete.

Refused connections and host names without an address are `provider_unreachable`, an invalid certificate is
`tls_error`, on every wire.

"""


def render_errors() -> str:
    """Give docs/errors.md."""
    return _ERRORS_HEAD + "".join(_error_row(kind) for kind in all_errors())


def render_faults() -> str:
    """Give docs/faults.md."""
    wires = list(Wire)
    head = (
        f"| failure | {' | '.join(wire.value for wire in wires)} | text before it |\n|---|{'---|' * (len(wires) + 1)}\n"
    )
    return _FAULTS_HEAD + head + "".join(_fault_row(number, wires) for number in range(len(FAULTS)))


PAGES: Final[Mapping[str, Callable[[], str]]] = {"errors.md": render_errors, "faults.md": render_faults}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` only compare; the exit code is 1 where one is out of date."""
    for name, render in PAGES.items():
        path = DOCS / name
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


def _fault_row(number: int, wires: list[Wire]) -> str:
    fault = FAULTS[number]
    cells = [(fault.expects(wire) or "-") if wire in fault.wires else "" for wire in wires]
    return f"| {fault.name} | {' | '.join(cells)} | {'yes' if fault.before_text else 'no'} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
