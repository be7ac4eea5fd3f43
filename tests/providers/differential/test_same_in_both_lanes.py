"""Both lanes give the same answer and ask the same question, but for what `differences.py` lists."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.providers.model import ModelClient
from app.providers.native_lane import WIRES
from app.providers.provider import Lane, Wire
from tests.providers.calls import call, open_lane, request_to, route_to
from tests.providers.differential import chat_samples, gemini_samples, messages_samples, responses_samples
from tests.providers.differential.asked import asked
from tests.providers.differential.compared import Fields, answer, differences
from tests.providers.differential.differences import ANSWERS, REQUESTED, Difference
from tests.providers.differential.request_samples import REQUESTS
from tests.providers.differential.sample import Sample
from tests.upstream import Answer, Upstream

SAMPLES = [
    *chat_samples.SAMPLES,
    *responses_samples.SAMPLES,
    *messages_samples.SAMPLES,
    *gemini_samples.SAMPLES,
]
MODELS = {Wire.GEMINI: "gemini-3.5-flash"}
DECISION = Path(__file__).parents[3] / "docs" / "decisions" / "0026-two-lanes-one-meaning.md"
wires = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture
async def both() -> AsyncGenerator[tuple[ModelClient, ModelClient]]:
    async with open_lane(Lane.NATIVE) as native, open_lane(Lane.LITELLM) as litellm:
        yield native, litellm


def news(found: dict[str, dict[str, tuple[Any, Any]]], listed: Sequence[Difference]) -> list[str]:
    """Give what was found and is not listed, and what is listed and was not found."""
    rows = [(row, sample) for row in listed for sample in row.samples]
    seen = [(sample, field, *pair) for sample, fields in found.items() for field, pair in fields.items()]
    unlisted = [f"new: {one}" for one in seen if sum(row.covers(*one) for row in listed) != 1]
    gone = [
        f"gone: {sample}: {row}"
        for row, sample in rows
        if not any(one[0] == sample and row.covers(*one) for one in seen)
    ]
    return unlisted + gone


@pytest.mark.parametrize("sample", SAMPLES, ids=[f"{sample.wire.value}: {sample.name}" for sample in SAMPLES])
@pytest.mark.parametrize("split", [None, 1])
async def test_a_sample_is_read_as_it_is_meant(upstream: Upstream, sample: Sample, split: int | None) -> None:
    upstream.script = sample.played(split)

    async with open_lane(Lane.NATIVE) as native:
        outcome = await call(native, request_to(route_to(upstream.base_url, sample.wire)))

    assert answer(outcome) == sample.meant


@wires
async def test_the_same_answer_in_both_lanes(
    both: tuple[ModelClient, ModelClient], upstream: Upstream, wire: Wire
) -> None:
    found: dict[str, dict[str, tuple[Any, Any]]] = {}
    for sample in SAMPLES:
        if sample.wire is wire:
            upstream.script = sample.played()
            native, litellm = [answer(await call(lane, request_to(route_to(upstream.base_url, wire)))) for lane in both]
            found[sample.name] = differences(native, litellm)

    assert news(found, [row for row in ANSWERS if row.wire is wire]) == []


async def question(lane: ModelClient, upstream: Upstream, wire: Wire, name: str) -> Fields:
    route = route_to(upstream.base_url, wire, model=MODELS.get(wire, "test-model"))
    outcome = await call(lane, replace(request_to(route, tools=()), **REQUESTS[name]))
    assert outcome.error is None
    return asked(upstream.calls[-1])


@wires
async def test_the_same_question_in_both_lanes(
    both: tuple[ModelClient, ModelClient], upstream: Upstream, wire: Wire
) -> None:
    upstream.script = Answer()
    found: dict[str, dict[str, tuple[Any, Any]]] = {}
    for name in REQUESTS:
        native, litellm = [await question(lane, upstream, wire, name) for lane in both]
        found[name] = differences(native, litellm)

    assert news(found, [row for row in REQUESTED if row.wire is wire]) == []


def test_the_decision_tells_each_reason() -> None:
    told = DECISION.read_text(encoding="utf-8").replace("\n", " ")

    assert [row.why for row in (*ANSWERS, *REQUESTED) if row.why not in told] == []
