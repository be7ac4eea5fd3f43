"""What the tools of one run know of Voyage, and how they ask it: as the caller, one write at a time."""

import asyncio
import weakref
from collections.abc import AsyncGenerator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, cast, final

from app.secret import Secret
from app.tools.tool import OutcomeUnknown, ToolCaller, ToolUnavailable
from app.tools.voyage.arguments import Arguments
from app.tools.voyage.failure import ToolFailed
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageAnswer, VoyageClient

NO_TRIP: Final = "Trip not found"
TRIP: Final = "collection_id"
_OK: Final = 2
_UNAUTHORIZED: Final = frozenset({401, 403})
Row = dict[str, Any]
Locks = MutableMapping[str, asyncio.Lock]
"""By trip; those that nobody holds may vanish."""


@final
class Desk:
    """The caller's session, and the trip that was read last; dropped after each write."""

    def __init__(self, voyage: VoyageClient, caller: ToolCaller, locks: Locks) -> None:
        """Take the client, on whose behalf it asks, and the locks of trips."""
        self._voyage = voyage
        self._caller = caller
        self._trip: tuple[str, Row] | None = None
        self._locks = locks
        self._changes = 0
        self._wrote: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def collection_id(self, arguments: Arguments) -> str:
        """Give the trip that is meant: the one named, else the conversation's; empty where there is none."""
        if arguments.has("collection_id"):
            return arguments.uuid("collection_id", otherwise=NO_TRIP)
        return self._caller.collection_id or ""

    @property
    def has_written(self) -> bool:
        """Whether the current task has begun to change something."""
        return asyncio.current_task() in self._wrote

    @asynccontextmanager
    async def writing(self, collection_id: str) -> AsyncGenerator[None]:
        """Hold the right to change a trip: two changes of one day would collide, also those of two conversations."""
        async with self._locks.setdefault(collection_id, asyncio.Lock()):
            self._trip = None  # what is changed is read anew
            try:
                yield
            finally:
                self._changes += 1
                self._trip = None

    async def member_trip(self, collection_id: str) -> Row:
        """Give a trip that is the caller's or shared with them; another one, also a public one, is as none.

        Voyage itself does not ask this on every write. Raises `ToolFailed`, `ToolUnavailable`.
        """
        if self._trip is not None and self._trip[0] == collection_id:
            return self._trip[1]
        before = self._changes
        answer = await self.get(f"/api/collections/{collection_id}/")
        trip = row(answer.data)
        member = any(one.get("is_current_user") is True for one in rows(trip, "collaborators"))
        if answer.status // 100 != _OK or not member:
            raise ToolFailed(NO_TRIP)
        if before == self._changes:
            self._trip = (collection_id, trip)
        return trip

    async def get(self, path: str) -> VoyageAnswer:
        """Read; raises `ToolUnavailable`, and `ToolFailed` when Voyage is asked too often."""
        try:
            return await self._voyage.get(path, self._session)
        except VoyageAway as away:
            raise _explain(away) from None

    async def read(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Read what has to be there; raises as `get`, and `ToolFailed` with Voyage's words where it refuses."""
        answer = await self.get(path)
        if answer.status // 100 != _OK:
            raise ToolFailed(_refusal(answer), retryable=answer.status not in _UNAUTHORIZED)
        return answer.data

    async def write(
        self, method: Literal["POST", "PATCH", "DELETE"], path: str, body: Mapping[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Change something once and give what Voyage answers.

        Raises `ToolFailed` with its words where it refuses, `ToolUnavailable`, and `OutcomeUnknown`.
        """
        if (task := asyncio.current_task()) is not None:
            self._wrote.add(task)
        try:
            answer = await self._voyage.send(method, path, self._session, body)
        except VoyageAway as away:
            if away.sent:
                raise OutcomeUnknown from None
            raise _explain(away) from None
        if answer.status // 100 != _OK:
            raise ToolFailed(_refusal(answer), retryable=answer.status not in _UNAUTHORIZED)
        return answer.data

    @property
    def _session(self) -> Secret:
        if self._caller.session is None:
            text = "Trips need a session of Voyage. Sign in to Voyage."
            raise ToolUnavailable(text, status=401)
        return self._caller.session


def row(value: object) -> Row:
    """Give a JSON object, empty for anything else."""
    return cast("Row", value) if isinstance(value, dict) else {}


def rows(of: Mapping[str, Any], name: str) -> list[Row]:
    """Give the objects of a list, none where there is no list."""
    return listed(of.get(name))


def listed(value: object) -> list[Row]:
    """Give the objects of a JSON list."""
    if not isinstance(value, list):
        return []
    return [cast("Row", one) for one in cast("list[object]", value) if isinstance(one, dict)]


def _explain(away: VoyageAway) -> Exception:
    if away.reason == "throttled":
        text = f"Voyage takes no more requests of this user for {away.wait_s():g} seconds."
        return ToolFailed(text, retryable=False)
    if away.reason.startswith("status_"):
        return ToolFailed("Voyage could not do this.")
    return ToolUnavailable("Voyage cannot be reached. Try again later.")


def _refusal(answer: VoyageAnswer) -> str:
    """Give Voyage's own words, of whichever form."""
    said = row(answer.data)
    for value in (said.get("error"), said.get("detail"), *said.values()):
        several = cast("list[object]", value) if isinstance(value, list) else [value]
        first = several[0] if several else None
        if isinstance(first, str) and first.strip():
            return first.strip()[:500]
    return "Voyage refused this."
