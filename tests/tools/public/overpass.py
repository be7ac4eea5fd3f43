"""Overpass as far as it is asked here: reads the query language strictly, sorts by kind and number, and cuts off."""

import math
import re
from collections.abc import Sequence
from typing import Any, Final

_ORDER: Final = ("node", "way", "relation")
_QUERY: Final = re.compile(r"\[out:json\]\[timeout:(\d+)\];(.*)", re.DOTALL)
_STATEMENT: Final = re.compile(r"nwr((?:\[[^\]]+\])+)\(around:(\d+),(-?[\d.]+),(-?[\d.]+)\);out center (\d+);")
_FILTER: Final = re.compile(r'\["(\w+)"(?:~"([^"]*)")?\]')


class SyntaxFault(Exception):
    """Answered with 400 and a page."""


def run(query: str, stored: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the elements of the answer; two statements may give the same one twice."""
    whole = _QUERY.fullmatch(query)
    if whole is None:
        raise SyntaxFault
    rest = whole[2]
    found: list[dict[str, Any]] = []
    while rest:
        statement = _STATEMENT.match(rest)
        if statement is None:
            raise SyntaxFault
        rest = rest[statement.end() :]
        filters = _FILTER.findall(statement[1])
        metres, lat, lon, most = float(statement[2]), float(statement[3]), float(statement[4]), int(statement[5])
        hits = [each for each in stored if _fits(each, filters) and _metres(each, lat, lon) <= metres]
        hits.sort(key=lambda each: (_ORDER.index(each["type"]), each["id"]))
        found += hits[:most]
    return found


def _fits(element: dict[str, Any], filters: Sequence[tuple[str, str]]) -> bool:
    tags = element["tags"]
    return all(key in tags and re.search(pattern or "", tags[key]) for key, pattern in filters)


def _metres(element: dict[str, Any], lat: float, lon: float) -> float:
    at = element.get("center", element)
    north = (at["lat"] - lat) * 111_195
    east = (at["lon"] - lon) * 111_195 * math.cos(math.radians(lat))
    return math.hypot(north, east)


def node(number: int, lat: float, lon: float, **tags: str) -> dict[str, Any]:
    return {"type": "node", "id": number, "lat": lat, "lon": lon, "tags": _tags(tags)}


def way(number: int, lat: float, lon: float, **tags: str) -> dict[str, Any]:
    return {"type": "way", "id": number, "center": {"lat": lat, "lon": lon}, "nodes": [1, 2], "tags": _tags(tags)}


def _tags(tags: dict[str, str]) -> dict[str, str]:
    return {key.replace("__", ":"): value for key, value in tags.items()}
