"""The shape of a fault: what is played, and what a correct gateway says about it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from app.providers.provider import Wire
from tests.upstream.exchange import Exchange

ALL_WIRES: Final = frozenset(Wire)


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    play: Callable[[Exchange], Awaitable[None]]
    code: str | None
    """The error code a correct gateway reports; None: the answer is good."""
    by_wire: Mapping[Wire, str | None] = field(default_factory=dict[Wire, str | None])
    """Where a wire's own words lead to another code."""
    before_text: bool = False
    """Whether text was shown before (always `Hello`, in the faults that go wrong in the middle)."""
    hangs: bool = False
    """Whether only the gateway's own deadline (or cap) ends it: give it short ones."""
    wires: frozenset[Wire] = ALL_WIRES
    """The wires on which it can happen."""
    retry_after_s: float | None = None
    """What the gateway is told to wait."""
    says: str = ""
    """What happens, in plain words, for `docs/faults.md`."""

    def expects(self, wire: Wire) -> str | None:
        """Give the error code that a correct gateway reports on `wire`; None: a success."""
        return self.by_wire.get(wire, self.code)

    @override
    def __str__(self) -> str:
        return self.name
