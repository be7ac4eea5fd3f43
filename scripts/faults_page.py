"""The page of docs/ on what goes wrong at a provider."""
# ruff: noqa: INP001 - a script, no package

from typing import Final

from app.providers.provider import Wire
from tests.upstream import FAULTS, Fault

_FAULTS_HEAD: Final = """\
# What goes wrong at a provider, and what the gateway says

Made by `make docs` from the corpus that `tests/providers/test_lanes.py` and `tests/stories/` play on real
sockets: a row is one failure of a provider, a cell the code that the gateway gives it on that wire. `-` means that the
answer is good, an empty cell that it cannot happen there. No cell is `unknown_error`, and none is reported complete.

Refused connections and host names without an address are `provider_unreachable`, an invalid certificate is
`tls_error`, on every wire.

Once a provider has said why its answer ends, the answer is whole on every wire: nothing that follows is text of it,
and no error, broken event or cut after that makes it a failure. Before that, a piece of text or of the arguments of a
tool that has another form than the wire's is `invalid_provider_response`: it is never left out.

"""


def render_faults() -> str:
    """Give docs/faults.md."""
    wires = list(Wire)
    names = ("what happens", "text before it", *(wire.value for wire in wires), "name in the tests")
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n"
    return _FAULTS_HEAD + head + "".join(_fault_row(fault, wires) for fault in FAULTS)


def _fault_row(fault: Fault, wires: list[Wire]) -> str:
    codes = [(fault.expects(wire) or "-") if wire in fault.wires else "" for wire in wires]
    cells = (fault.says, "yes" if fault.before_text else "no", *codes, f"`{fault.name}`")
    return f"| {' | '.join(cells)} |\n"
