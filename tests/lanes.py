"""Tests that are parametrised over lanes and wires leave out what no call takes."""

from collections.abc import Mapping
from typing import Final

import pytest

from app.providers.provider import Lane, Wire, lane_of

SAMPLED: Final = frozenset({"test_each_fault_has_its_code", "test_faults_have_their_code_and_lose_nothing"})
"""Tests of which the library's lane plays every sixth only, and the others among the proofs: it is slow, and pinned."""


def spoken(items: list[pytest.Item]) -> list[pytest.Item]:
    """Give the tests without those of a lane on a wire that it does not speak."""
    kept = [item for item in items if not _is_unspoken(item)]
    sampled = [item for item in kept if isinstance(item, pytest.Function) and item.originalname in SAMPLED]
    for place, item in enumerate(item for item in sampled if _params(item).get("lane") is Lane.LITELLM):
        if place % 6:
            item.add_marker("prove")
    return kept


def _params(item: pytest.Item) -> Mapping[str, object]:
    return item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


def _is_unspoken(item: pytest.Item) -> bool:
    params = _params(item)
    lane, wire = params.get("lane"), params.get("wire")
    return isinstance(lane, Lane) and isinstance(wire, Wire) and lane_of(wire, lane) is not lane
