"""Voyage's Django backend on loopback, as far as a service beside it asks it."""

import asyncio
import secrets
import string
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID, uuid4

from aiohttp import web

from tests.voyage.csrf_token import mask, new_secret, secret_in
from tests.voyage.seen_request import SeenRequest
from tests.voyage.trip import CREATED, Person, StoredTrip, location
from tests.voyage.trouble import PAGE, TRAP, Trouble, signed_in, throttled

__all__ = ["ANONYMOUS", "METADATA", "PREFERENCES", "SESSION", "FakeVoyage", "SeenRequest", "Trouble"]

SESSION: Final = "/auth/browser/v1/auth/session"
METADATA: Final = "/auth/user-metadata/"
CSRF: Final = "/csrf/"
COLLECTIONS: Final = "/api/collections/"
PREFERENCES: Final = "/api/integrations/recommendation-preferences/"
ANONYMOUS: Final = "Authentication credentials were not provided."

DAY_S: Final = 86400
FORTNIGHT_S: Final = 14 * DAY_S


class FakeVoyage:
    """`async with FakeVoyage() as voyage`: listens on 127.0.0.1 until the block ends; requests under way end too."""

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[SeenRequest] = []
        """Every request, also those that `trouble` fails."""
        self.trouble: Trouble | None = None
        """How requests fail from now on."""
        self.preferences: dict[int, Mapping[str, Any]] = {}
        """By user id; who has none gets an empty list."""
        self.budget = 1000
        """How many API views a user may ask for in a day."""
        self.spent: dict[int, list[float]] = {}
        """When each user's counted requests came, in seconds since the epoch."""
        self.open_requests = 0
        self.most_open_requests = 0
        self._people: dict[int, Person] = {}
        self._sessions: dict[str, int] = {}
        self._trips: dict[str, StoredTrip] = {}
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    def sign_in(self, user_id: int, username: str | None = None) -> str:
        """Give a new session's id; a user may have several."""
        self._person(user_id, username)
        sessionid = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(32))
        self._sessions[sessionid] = user_id
        return sessionid

    def sign_out(self, sessionid: str) -> None:
        del self._sessions[sessionid]

    def add_trip(
        self,
        owner: int,
        *,
        shared_with: Sequence[int] = (),
        public: bool = False,
        name: str = "Lisbon Week",
        locations: Sequence[Mapping[str, Any]] = (),
        **fields: Any,
    ) -> str:
        """Give the trip's id; `fields` are further keys of the object as the API shows it."""
        for member in (owner, *shared_with):
            self._person(member)
        places = [location(place, owner=self._people[owner]) for place in locations]
        trip = StoredTrip(
            id=str(uuid4()),
            owner=owner,
            shared_with=shared_with,
            public=public,
            fields={"name": name, "locations": places, **fields},
        )
        self._trips[trip.id] = trip
        return trip.id

    def remove_trip(self, trip_id: str) -> None:
        del self._trips[trip_id]

    def count(self, path: str) -> int:
        """How many requests asked for exactly this path."""
        return sum(seen.path == path for seen in self.requests)

    async def until(
        self,
        predicate: Callable[[], bool],
        timeout: float = 5.0,  # noqa: ASYNC109 - the bound belongs to the wait, callers would all write the same block
    ) -> None:
        """Wait for `predicate`, asked again after every change here; raises `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not predicate():
                await self._changed.wait()

    async def stop(self) -> None:
        """Refuse connections from now on and end those that are open."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def start(self) -> None:
        """Listen, after a `stop` at the same address."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _person(self, user_id: int, username: str | None = None) -> Person:
        if user_id not in self._people or username:
            self._people[user_id] = Person(user_id=user_id, username=username or f"user{user_id}")
        return self._people[user_id]

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = SeenRequest.of(request)
        self.requests.append(seen)
        self.open_requests += 1
        self.most_open_requests = max(self.most_open_requests, self.open_requests)
        self._notify()
        try:
            if seen.path == TRAP:
                return signed_in(666, "followed")
            trouble = self.trouble
            if trouble is not None and trouble.applies(seen.path) and (played := await trouble.play(request)):
                return played
            return self._with_session(seen, self._answer(seen))
        finally:
            self.open_requests -= 1
            self._notify()

    def _caller(self, seen: SeenRequest) -> Person | None:
        # The mobile app's header replaces the cookie.
        sessionid = seen.headers.get("x-session-token") or seen.cookies.get("sessionid", "")
        user_id = self._sessions.get(sessionid)
        return None if user_id is None else self._people[user_id]

    def _with_session(self, seen: SeenRequest, response: web.Response) -> web.Response:
        """Renew the cookie of a living session, delete that of a dead one: both on every answer."""
        response.headers["Vary"] = "Cookie, origin"
        response.headers["X-Frame-Options"] = "DENY"
        sessionid = seen.headers.get("x-session-token") or seen.cookies.get("sessionid")
        if sessionid in self._sessions:
            response.set_cookie("sessionid", sessionid, max_age=FORTNIGHT_S, httponly=True, samesite="Lax")
        elif "sessionid" in seen.cookies:
            response.del_cookie("sessionid", samesite="Lax")
        return response

    def _answer(self, seen: SeenRequest) -> web.Response:
        if seen.path == SESSION:
            return self._session(seen)
        if not seen.path.endswith("/") and self._view(f"{seen.path}/"):
            query = "&".join(f"{name}={value}" for name, value in seen.query.items())
            return web.Response(status=301, headers={"Location": f"{seen.path}/" + (f"?{query}" if query else "")})
        view = self._view(seen.path)
        if view is None:
            return web.Response(status=404, text=PAGE.format("Not Found"), content_type="text/html")
        if seen.method not in {"GET", "HEAD"}:
            return _detail(405, f'Method "{seen.method}" not allowed.')
        return view(seen)

    def _view(self, path: str) -> Callable[[SeenRequest], web.Response] | None:
        if path.startswith(COLLECTIONS) and path.count("/") == COLLECTIONS.count("/") + 1 and path.endswith("/"):
            return self._collection
        return {METADATA: self._metadata, CSRF: self._csrf, PREFERENCES: self._preferences}.get(path)

    def _session(self, seen: SeenRequest) -> web.Response:
        caller = self._caller(seen)
        if caller:
            return signed_in(caller.user_id, caller.username)
        flows = [{"id": "login"}, {"id": "signup"}]
        return web.json_response(
            {"status": 401, "data": {"flows": flows}, "meta": {"is_authenticated": False}}, status=401
        )

    def _csrf(self, seen: SeenRequest) -> web.Response:
        """Keep the secret that the caller's cookie holds, bare or masked, else make one."""
        secret = secret_in(seen.cookies.get("csrftoken", "")) or new_secret()
        response = web.json_response({"csrfToken": mask(secret)})
        response.set_cookie("csrftoken", secret, max_age=364 * DAY_S, samesite="Lax")
        return response

    def _metadata(self, seen: SeenRequest) -> web.Response:
        caller = self._caller(seen)
        if caller is None:
            return _detail(403, ANONYMOUS)
        return self._throttle(caller) or web.json_response(
            {
                "profile_pic": None,
                "uuid": caller.uuid,
                "public_profile": False,
                "username": caller.username,
                "first_name": caller.username.title(),
                "last_name": "Probe",
                "date_joined": CREATED,
                "is_staff": False,
                "disable_password": False,
                "measurement_system": "metric",
                "default_currency": "USD",
                "has_password": True,
            }
        )

    def _preferences(self, seen: SeenRequest) -> web.Response:
        caller = self._caller(seen)
        if caller is None:
            return _detail(403, ANONYMOUS)
        if refusal := self._throttle(caller):
            return refusal
        kept = self.preferences.get(caller.user_id)
        empty: dict[str, Any] = {
            "id": str(UUID(int=caller.user_id)),
            "cuisines": None,
            "interests": [],
            "trip_style": None,
            "notes": None,
        }
        dates = {"created_at": CREATED, "updated_at": CREATED}
        return web.json_response([] if kept is None else [{**empty, **dates, **kept}])

    def _collection(self, seen: SeenRequest) -> web.Response:
        caller = self._caller(seen)
        if caller and (refusal := self._throttle(caller)):
            return refusal
        trip_id = seen.path.removeprefix(COLLECTIONS).removesuffix("/")
        try:
            trip = self._trips.get(str(UUID(trip_id)))
        except ValueError:
            return _detail(404, "Not found.")
        if trip is None or not trip.visible_to(caller):
            return _detail(404, "No Collection matches the given query.")
        return web.json_response(trip.shown_to(caller, self._people, nested=seen.query.get("nested") == "true"))

    def _throttle(self, caller: Person) -> web.Response | None:
        """Count the request, or give the refusal; refused ones are not counted."""
        now = time.time()
        spent = [moment for moment in self.spent.get(caller.user_id, []) if moment > now - DAY_S]
        self.spent[caller.user_id] = spent
        if len(spent) < self.budget:
            spent.append(now)
            return None
        return throttled(int((spent[0] if spent else now) + DAY_S - now))


def _detail(status: int, sentence: str) -> web.Response:
    return web.json_response({"detail": sentence}, status=status)
