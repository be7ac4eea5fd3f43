"""Voyage's REST API on loopback, as far as the chat tools use it: its checks, its gaps and its odd answers."""

import re
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID, uuid4

from aiohttp import web

Row = dict[str, Any]
STAYS: Final = frozenset({"hotel", "hostel", "other"})
WAYS: Final = frozenset({"plane", "train", "car", "other"})
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
CREATED: Final = "2026-11-22T08:52:25.636063Z"


class Crash(Exception):
    """A 500 with a page of HTML."""


class VoyageRest:
    """`async with VoyageRest() as rest`: listens on 127.0.0.1 until the block ends."""

    def __init__(self) -> None:
        self.base_url = ""
        self.sessions: dict[str, str] = {}
        """The user of each."""
        self.trips: dict[str, Row] = {}
        self.locations: dict[str, Row] = {}
        self.lodging: dict[str, Row] = {}
        self.transportations: dict[str, Row] = {}
        self.items: dict[str, Row] = {}
        self.writes: list[tuple[str, str, str]] = []
        """User, method and path."""
        self.budget = 1000
        self.delay: Callable[[web.Request], Any] | None = None
        """Awaited before each answer."""
        self._runner: web.AppRunner | None = None

    def trip(self, owner: str, *, members: tuple[str, ...] = (), public: bool = False) -> str:
        one = str(uuid4())
        self.trips[one] = {
            "id": one,
            "name": "Lisbon Week",
            "description": None,
            "start_date": "2027-03-10",
            "end_date": "2027-03-14",
            "owner": owner,
            "members": (owner, *members),
            "public": public,
        }
        return one

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        user = self.sessions.get(request.headers.get("X-Session-Token") or request.cookies.get("sessionid", ""))
        body: Any = await request.json() if request.can_read_body else None
        if self.delay is not None:
            await self.delay(request)
        if user is None:
            return _json(403, {"detail": "Authentication credentials were not provided."})
        if request.method != "GET" and "X-Session-Token" not in request.headers:
            return _json(403, {"detail": "CSRF Failed: CSRF cookie not set."})
        self.budget -= 1
        if self.budget < 0:
            return web.json_response({"detail": "Request was throttled."}, status=429, headers={"Retry-After": "3600"})
        if request.method != "GET":
            self.writes.append((user, request.method, request.path))
        try:
            return self._answer(request.method, request.path, user, body)
        except (Crash, KeyError, ValueError, TypeError):
            return web.Response(status=500, text="<h1>Server Error (500)</h1>", content_type="text/html")

    def _answer(self, method: str, path: str, user: str, body: Any) -> web.Response:  # noqa: C901, PLR0911 - the table of views
        kind, name, *_ = [*path.strip("/").split("/")[1:], ""]
        match method, kind, name:
            case "GET", "collections", "all":
                return _json(200, [self._listed(trip) for trip in self.trips.values() if trip["owner"] == user])
            case "GET", "collections", one:
                return self._collection(one, user)
            case "GET", "locations", "pins":
                mine = [place for place in self.locations.values() if place["user"]["uuid"] == user]
                return _json(
                    200, [{key: place[key] for key in ("id", "name", "latitude", "longitude")} for place in mine]
                )
            case "GET", "locations", one:
                place = self.locations.get(one)
                return _json(200, place) if place else _json(404, {"detail": "No Location matches the given query."})
            case "POST", "locations", "":
                return self._new_location(user, body)
            case "PATCH", "locations", one:
                return self._changed(self.locations[one], body)
            case _, "lodging" | "transportations", one:
                return self._booking(method, kind, one, user, body)
            case "POST", "itineraries", "":
                return self._new_item(body)
            case "POST", "itineraries", "reorder":
                return self._reorder(body["items"])
            case "DELETE", "itineraries", one:
                return (
                    _json(404, {"detail": "Not found."})
                    if self.items.pop(one, None) is None
                    else web.Response(status=204)
                )
            case _:
                return _json(404, {"detail": "Not found."})

    def _listed(self, trip: Row) -> Row:
        keys = ("id", "name", "description", "start_date", "end_date")
        count = sum(trip["id"] in place["collections"] for place in self.locations.values())
        return {key: trip[key] for key in keys} | {"location_count": count, "created_at": CREATED}

    def _collection(self, one: str, user: str) -> web.Response:
        trip = self.trips.get(str(UUID(one)))
        if trip is None or not (trip["public"] or user in trip["members"]):
            return _json(404, {"detail": "No Collection matches the given query."})
        people = [{"uuid": member, "is_current_user": member == user} for member in trip["members"]]
        items = sorted(
            (item for item in self.items.values() if item["collection"] == one),
            key=lambda item: (item["date"] is None, item["date"] or "", item["order"]),
        )
        return _json(
            200,
            {
                **{key: trip[key] for key in ("id", "name", "description", "start_date", "end_date")},
                "collaborators": people,
                "locations": [place for place in self.locations.values() if one in place["collections"]],
                "lodging": [stay for stay in self.lodging.values() if stay["collection"] == one],
                "transportations": [way for way in self.transportations.values() if way["collection"] == one],
                "notes": [],
                "checklists": [],
                "itinerary": items,
            },
        )

    def _new_location(self, user: str, body: Row) -> web.Response:
        one = str(uuid4())
        axes = {axis: f"{float(body[axis]):.6f}" for axis in ("latitude", "longitude")}
        place: Row = {"id": one, "description": "", "location": "", "visits": [], "collections": []}
        self.locations[one] = {**place, **body, **axes, "user": {"uuid": user}}
        return _json(201, self.locations[one])

    @staticmethod
    def _changed(found: Row, body: Row) -> web.Response:
        for name, value in body.items():
            if "tude" in name and len(str(value).partition(".")[2]) > 6:
                return _json(400, {name: ["Ensure that there are no more than 9 digits in total."]})
            found[name] = f"{float(value):.6f}" if "tude" in name else value
        return _json(200, found)

    def _booking(self, method: str, kind: str, one: str, user: str, body: Any) -> web.Response:
        table = self.lodging if kind == "lodging" else self.transportations
        if method == "DELETE":
            del table[one]
            self.items = {key: item for key, item in self.items.items() if item["object_id"] != one}
            return web.Response(status=204)
        if body.get("type", "other") not in (STAYS if kind == "lodging" else WAYS):
            return _json(400, {"type": [f'"{body["type"]}" is not a valid choice.']})
        for name in ("check_in", "check_out", "date", "end_date"):
            if name in body and not str(body[name]).endswith("Z"):
                raise Crash
        if method == "PATCH":
            if "collection" not in body and self.trips[table[one]["collection"]]["owner"] != user:
                return _json(403, {"detail": "You cannot remove the collection as you are not the owner."})
            return self._changed(table[one], body)
        if user not in self.trips[body["collection"]]["members"]:
            return _json(403, {"detail": "You do not have permission to use this collection."})
        made = str(uuid4())
        table[made] = {"id": made, "location": "", "check_in": None, "check_out": None, "date": None, "end_date": None}
        self._changed(table[made], body)
        return _json(201, table[made])

    def _new_item(self, body: Row) -> web.Response:
        trip = self.trips[str(UUID(body["collection"]))]  # whose it is nobody asks here
        UUID(body["object_id"])
        if not _DAY.fullmatch(body["date"]):
            raise Crash
        if not trip["start_date"] <= body["date"] <= trip["end_date"]:
            return _json(400, {"error": "Itinerary item date is after the collection end_date"})
        there = [item["order"] for item in self._on(trip["id"], body["date"])]
        order = max(there) + 1 if there and body["order"] <= max(there) else int(body["order"])
        one = str(uuid4())
        self.items[one] = {
            "id": one,
            "collection": trip["id"],
            "content_type": 23,
            "object_name": body["content_type"],
            "object_id": body["object_id"],
            "date": body["date"],
            "is_global": False,
            "order": order,
        }
        return _json(201, self.items[one])

    def _reorder(self, changes: list[Row]) -> web.Response:
        moved = {change["id"]: change for change in changes}
        if not moved.keys() <= self.items.keys():
            return _json(400, {"items": "One or more items not found."})
        after = {key: {**item, **moved.get(key, {})} for key, item in self.items.items()}
        places = [(item["collection"], item["date"], item["order"]) for item in after.values() if item["date"]]
        if len(set(places)) != len(places):
            raise Crash  # the database's own rule
        self.items = after
        return _json(200, [after[change["id"]] for change in changes])

    def _on(self, trip: str, day: str) -> list[Row]:
        return [item for item in self.items.values() if (item["collection"], item["date"]) == (trip, day)]


def _json(status: int, value: Any) -> web.Response:
    return web.json_response(value, status=status)
