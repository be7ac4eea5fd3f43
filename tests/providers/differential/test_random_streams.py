"""Any answer, written in any form and cut anywhere, is read as it was meant, and never called whole before its end."""

import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.events import Usage
from app.providers.native_lane import WIRES
from app.providers.provider import Wire
from tests.providers.differential.heard import Heard, hear
from tests.providers.differential.rendered import RENDERED
from tests.providers.differential.speech import Speech, merge, speeches
from tests.providers.differential.written import Event, Written, pieces_of, write

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
RANDOM = st.randoms(use_true_random=True)


def counted(usage: Usage | None, wire: Wire) -> Usage | None:
    """Give `usage` as far as `wire` can tell it."""
    return replace(usage, reasoning=0) if usage and wire is Wire.ANTHROPIC_MESSAGES else usage


def rendered(speech: Speech, wire: Wire, random: Random) -> tuple[list[Event], Written]:
    events = RENDERED[wire](speech, random)
    assert merge(piece for event in events for piece in event.said) == merge(speech.pieces)
    return events, write(events, random)


def check_whole(wire: Wire, speech: Speech, random: Random) -> None:
    _, written = rendered(speech, wire, random)

    heard = hear(wire, pieces_of(written.body, random))

    usage = counted(speech.usage, wire)
    if usage == Usage(input=0, output=0) and heard.usage is None:
        usage = None  # a wire that leaves zeros out has told nothing
    assert heard == Heard(
        merge(speech.pieces),
        [(call.id, call.name) for call in speech.calls],
        usage,
        speech.finish,
        None,
    )


def check_cut(wire: Wire, speech: Speech, random: Random) -> None:
    events, written = rendered(speech, wire, random)
    end = next(place for event, place in zip(events, written.complete_at, strict=True) if event.ends)
    at = random.randrange(end)
    whole = [event for event, place in zip(events, written.complete_at, strict=True) if place <= at]

    heard = hear(wire, pieces_of(written.body[:at], random))

    assert heard.finish is None
    assert heard.error is not None
    assert heard.error.code == ("stream_interrupted" if whole else "invalid_provider_response")
    assert heard.said == merge(piece for event in whole for piece in event.said)


def run(check: Callable[[Wire, Speech, Random], None], wire: Wire, examples: int) -> float:
    """Check `examples` answers; give the seconds it took."""

    # The forms are drawn from a seed: shrinking takes minutes and finds nothing smaller.
    phases = [Phase.explicit, Phase.reuse, Phase.generate]

    @settings(max_examples=examples, phases=phases, suppress_health_check=SLOW)
    @given(speech=speeches(whole_calls=wire is Wire.GEMINI), random=RANDOM)
    def every(speech: Speech, random: Random) -> None:
        check(wire, speech, random)

    began = time.perf_counter()
    every()
    return time.perf_counter() - began


checks = pytest.mark.parametrize("check", [check_whole, check_cut], ids=["whole", "cut"])
wires = pytest.mark.parametrize("wire", WIRES)


@checks
@wires
def test_a_hundred_answers(check: Callable[[Wire, Speech, Random], None], wire: Wire) -> None:
    run(check, wire, 100)


@pytest.mark.prove
@pytest.mark.timeout(600)
@checks
@wires
def test_thousands_of_answers(check: Callable[[Wire, Speech, Random], None], wire: Wire) -> None:
    seconds = run(check, wire, 2_500)

    print(f"{wire.value}: 2500 answers in {seconds:.0f} s")  # noqa: T201 - the figure of the proof
