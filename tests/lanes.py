"""Tests that are parametrised over lanes and wires leave out what no call takes."""

import pytest

from app.providers.provider import Lane, Wire, lane_of


def spoken(items: list[pytest.Item]) -> list[pytest.Item]:
    """Give the tests without those of a lane on a wire that it does not speak."""
    return [item for item in items if not _is_unspoken(item)]


def _is_unspoken(item: pytest.Item) -> bool:
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    lane, wire = params.get("lane"), params.get("wire")
    return isinstance(lane, Lane) and isinstance(wire, Wire) and lane_of(wire, lane) is not lane
