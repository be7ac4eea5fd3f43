"""Which providers are left alone for a while, because they have failed again and again: a state machine without waits.

A circuit is closed until its target fails `failures` times in a row within the window. Then it is open: nobody asks.
After the pause one call at a time may probe; an answer closes the circuit, a failure opens it for twice as long. See
`docs/decisions/0025`.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, final

import structlog

from app.providers.target import Target

_log: Final[Any] = structlog.get_logger(__name__)


class Verdict(Enum):
    """What one call says about whom it asked."""

    ANSWERED = "answered"
    """The first piece of an answer has come."""
    FAILED = "failed"
    """It was not there, or could not answer anybody."""
    NEITHER = "neither"
    """It refused this call, or was not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitPolicy:
    """When circuits open and for how long; times in seconds."""

    failures: int = 10
    """In a row; with 0 no circuit ever opens."""
    window_s: float = 30.0
    """From the first of them to the last."""
    first_pause_s: float = 5.0
    longest_pause_s: float = 60.0
    probe_wait_s: float = 2.0
    """What others are told to wait while one call finds out."""
    max_targets: int = 1_000
    """How many that have failed are remembered; beyond that the one is forgotten that has not failed for longest."""


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """Lets one call through; `Circuits.tell` takes it back."""

    target: Target
    probes: bool = False


@dataclass(frozen=True, slots=True)
class Rest:
    """Why a call is not let through."""

    target: Target
    failures: int
    """Since the last answer."""
    retry_after_s: float


@dataclass(slots=True)
class _Circuit:
    recent: deque[float]
    failures: int = 0
    pause_s: float = 0.0
    """0 while it is closed."""
    until: float = 0.0
    probe: Pass | None = field(default=None)


@final
class Circuits:
    """The circuits of this process; only targets that have failed have one."""

    def __init__(self, policy: CircuitPolicy | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with all of them closed; `monotonic` gives seconds."""
        self._policy = policy or CircuitPolicy()
        self._monotonic = monotonic
        self._circuits: OrderedDict[Target, _Circuit] = OrderedDict()

    def __len__(self) -> int:
        """Count the targets that have failed since they answered."""
        return len(self._circuits)

    def ask(self, target: Target) -> Pass | Rest:
        """Let a call through or not; whoever gets a `Pass` gives it back to `tell`, whatever happens."""
        circuit = self._circuits.get(target)
        if circuit is None or not circuit.pause_s:
            return Pass(target)
        rest = self._rest(target, circuit)
        if rest is not None:
            return rest
        circuit.probe = Pass(target, probes=True)
        return circuit.probe

    def tell(self, held: Pass, verdict: Verdict) -> None:
        """Take a pass back, with what its call found out; an answer counts whenever its call began."""
        circuit = self._circuits.get(held.target)
        probing = circuit is not None and circuit.probe is held
        if circuit is not None and probing:
            circuit.probe = None
        match verdict:
            case Verdict.ANSWERED if circuit is not None:
                del self._circuits[held.target]
                if circuit.pause_s:
                    _log.info("circuit.closed", **_named(held.target), failures=circuit.failures)
            case Verdict.FAILED if self._policy.failures:
                self._fail(held.target, circuit or self._new(held.target), probing=probing)
            case _:
                pass

    def resting(self) -> list[Rest]:
        """Give what is not asked now."""
        found = [self._rest(target, circuit) for target, circuit in self._circuits.items() if circuit.pause_s]
        return [rest for rest in found if rest is not None]

    def _rest(self, target: Target, circuit: _Circuit) -> Rest | None:
        left_s = circuit.until - self._monotonic()
        if left_s > 0:
            return Rest(target, circuit.failures, left_s)
        return None if circuit.probe is None else Rest(target, circuit.failures, self._policy.probe_wait_s)

    def _new(self, target: Target) -> _Circuit:
        while len(self._circuits) >= self._policy.max_targets:
            self._circuits.popitem(last=False)
        circuit = self._circuits[target] = _Circuit(deque(maxlen=self._policy.failures))
        return circuit

    def _fail(self, target: Target, circuit: _Circuit, *, probing: bool) -> None:
        policy, now = self._policy, self._monotonic()
        self._circuits.move_to_end(target)
        circuit.failures += 1
        circuit.recent.append(now)
        if probing:
            circuit.pause_s = min(2 * circuit.pause_s, policy.longest_pause_s)
        elif circuit.pause_s or len(circuit.recent) < policy.failures or now - circuit.recent[0] > policy.window_s:
            # One that was let through before it opened says nothing new.
            return
        else:
            circuit.pause_s = policy.first_pause_s
        circuit.until = now + circuit.pause_s
        _log.warning("circuit.opened", **_named(target), failures=circuit.failures, retry_in_s=circuit.pause_s)


def _named(target: Target) -> dict[str, str]:
    """Name a target for the log; its address may be a user's or the operator's own."""
    return {"gen_ai.provider.name": target.provider, "wire": target.wire.value}
