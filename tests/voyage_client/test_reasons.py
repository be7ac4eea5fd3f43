"""The page for operators names every reason, and no other."""

import re
from pathlib import Path
from typing import get_args

from app.voyage.away import Reason, VoyageAway
from app.voyage.client import MAX_ANSWER_BYTES, ROOMS, Asks

PAGE = (Path(__file__).parents[2] / "docs" / "voyage.md").read_text(encoding="utf-8")


def test_the_page_has_every_reason_once() -> None:
    table = PAGE.partition("| reason | what it means |\n|---|---|\n")[2].partition("\n\n")[0]
    told = [re.findall(r"`([^`]*)`", row)[0] for row in table.splitlines()]

    assert sorted(told) == sorted([*get_args(Reason), VoyageAway(500).reason])


def test_the_page_has_the_bounds() -> None:
    room = ROOMS[Asks.NEW_SESSION]

    assert f"{room.slots} are asked at once and {room.waiting} wait" in PAGE
    assert f"more than {MAX_ANSWER_BYTES // 1_000_000} MB" in PAGE
