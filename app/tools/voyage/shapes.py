"""Voyage's objects as the results of tools show them."""

from collections.abc import Mapping
from typing import Any

from app.tools.voyage.desk import Row, rows


def moment(value: object) -> str | None:
    """Give a moment with its offset in digits."""
    return value.replace("Z", "+00:00") if isinstance(value, str) and value else None


def number(value: object) -> float | None:
    """Give a number, which Voyage sends as text."""
    try:
        return float(value) if isinstance(value, str | int | float) and value != "" else None
    except ValueError:
        return None


def text(value: object) -> str:
    """Give a text, empty where there is none."""
    return value if isinstance(value, str) else ""


def location(found: Mapping[str, Any]) -> Row:
    """Give a place."""
    return {
        "id": found.get("id"),
        "name": text(found.get("name")),
        "description": text(found.get("description")),
        "location": text(found.get("location")),
        "latitude": number(found.get("latitude")),
        "longitude": number(found.get("longitude")),
    }


def lodging(found: Mapping[str, Any]) -> Row:
    """Give a place to stay."""
    return {
        "id": found.get("id"),
        "name": text(found.get("name")),
        "type": text(found.get("type")),
        "check_in": moment(found.get("check_in")),
        "check_out": moment(found.get("check_out")),
        "location": text(found.get("location")),
        "latitude": number(found.get("latitude")),
        "longitude": number(found.get("longitude")),
    }


def transportation(found: Mapping[str, Any]) -> Row:
    """Give a way to travel."""
    places = ("origin_latitude", "origin_longitude", "destination_latitude", "destination_longitude")
    return {
        "id": found.get("id"),
        "name": text(found.get("name")),
        "type": text(found.get("type")),
        "date": moment(found.get("date")),
        "end_date": moment(found.get("end_date")),
        "from_location": text(found.get("from_location")),
        "to_location": text(found.get("to_location")),
        **{name: number(found.get(name)) for name in places},
    }


def item(found: Mapping[str, Any]) -> Row:
    """Give an entry of the itinerary."""
    return {"id": found.get("id"), "date": found.get("date"), "order": found.get("order")}


def trip(found: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    """Give a whole trip; `names` are those of its objects by id."""
    short = ("id", "name", "type", "date", "end_date")
    stay = ("id", "name", "type", "check_in", "check_out", "location")
    return {
        "id": found.get("id"),
        "name": text(found.get("name")),
        "description": text(found.get("description")),
        "start_date": found.get("start_date"),
        "end_date": found.get("end_date"),
        "locations": [location(one) for one in rows(found, "locations")],
        "transportation": [_some(transportation(one), short) for one in rows(found, "transportations")],
        "lodging": [_some(lodging(one), stay) for one in rows(found, "lodging")],
        "itinerary": [
            {
                "id": one.get("id"),
                "date": one.get("date"),
                "order": one.get("order"),
                "is_global": one.get("is_global") is True,
                "content_type": text(one.get("object_name")),
                "object_id": one.get("object_id"),
                "name": names.get(str(one.get("object_id")), ""),
            }
            for one in rows(found, "itinerary")
        ],
    }


def _some(whole: Row, names: tuple[str, ...]) -> Row:
    return {name: whole[name] for name in names}
