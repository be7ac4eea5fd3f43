"""A client of one conversation that keeps every byte it got."""

import asyncio
import itertools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx

from tests.replicas.environment import MODEL, PROVIDER
from tests.replicas.frames import FrameParser
from tests.replicas.play import Play
from tests.replicas.reading import Ended, Reading

_AGAIN_S: Final = 0.05
"""Between two tries of a client that nobody serves just now."""


@dataclass(slots=True)
class Sent:
    """A message that was sent, perhaps several times with the same key."""

    text: str
    key: str | None
    reading: Reading


@dataclass(slots=True)
class Recorder:
    """Made by `create`; each call is given the replica to talk to, as one client may talk to any of them."""

    conversation: str
    body: dict[str, Any] = field(default_factory=lambda: {"provider": PROVIDER, "model": MODEL})
    """Sent along with every message."""
    sent: list[Sent] = field(default_factory=list[Sent])
    readings: list[Reading] = field(default_factory=list[Reading])
    """All of them, those of `sent` included, in the order in which they began."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def create(cls, http: httpx.AsyncClient) -> Self:
        """Make a conversation for it."""
        created = await http.post("/api/chat/conversations/", json={})
        assert created.status_code == 201, created.text
        return cls(str(created.json()["id"]))

    @property
    def run_id(self) -> str:
        """The run that it heard of last; empty before the first."""
        return next((reading.run_id for reading in reversed(self.readings) if reading.run_id), "")

    @property
    def seen(self) -> int:
        """The highest number of an event of that run."""
        return self.seen_of(self.run_id)

    def seen_of(self, run_id: str) -> int:
        return max((reading.seen for reading in self.readings if reading.run_id == run_id), default=0)

    @property
    def over(self) -> bool:
        """Whether that run's terminal event was seen."""
        return any(reading.over for reading in self.readings if reading.run_id == self.run_id)

    async def send(self, http: httpx.AsyncClient, message: str | Play, *, key: str | None = None) -> Reading:
        """Send a message and read its answer to the end of the response, whatever that is.

        A play gets a mark that no other message has. A key is an `Idempotency-Key`; give the same text again with it.
        """
        text = message if isinstance(message, str) else f"{message} #{secrets.token_hex(6)}"
        headers = {"Idempotency-Key": key} if key else {}
        reading = self._begin(Reading())
        self.sent.append(Sent(text, key, reading))
        path = f"/api/chat/conversations/{self.conversation}/send_message/"
        await self._read(http, "POST", path, reading, headers=headers, json=self.body | {"message": text})
        return reading

    async def resume(
        self,
        http: httpx.AsyncClient,
        *,
        run_id: str = "",
        after: int | None = None,
        header: bool = True,
        path: str = "",
    ) -> Reading:
        """Read a run on from what was seen of it, or from `after`; without `header` the query says where.

        `path` is the `resume_url` of a detachment.
        """
        run_id = run_id or self.run_id
        reading = self._begin(Reading(run_id=run_id, after=self.seen_of(run_id) if after is None else after))
        headers = {"Last-Event-ID": f"{run_id}:{reading.after}"} if header else {}
        params = None if header else {"after": str(reading.after)}
        path = path or f"/api/chat/runs/{run_id}/stream/"
        await self._read(http, "GET", path, reading, headers=headers, params=params)
        return reading

    async def attach(self, http: httpx.AsyncClient) -> Reading:
        """Read the active run of the conversation from its start."""
        reading = self._begin(Reading())
        await self._read(http, "GET", f"/api/chat/conversations/{self.conversation}/stream/", reading)
        return reading

    async def follow(self, replicas: Sequence[httpx.AsyncClient], *, seconds: float) -> Reading:
        """Resume at one replica after the other until the terminal event was seen; raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            for http in itertools.cycle(replicas):
                reading = await self.resume(http)
                if self.over:
                    return reading
                # What a client does that was told to come again; there is nobody it could hear from sooner.
                await asyncio.sleep(_AGAIN_S)
        raise TimeoutError

    async def cancel(self, http: httpx.AsyncClient) -> float:
        """Stop the run and give the loop's time before the request: `PlayingUpstream.closed` gives the other end."""
        began = asyncio.get_running_loop().time()
        answer = await http.post(f"/api/chat/runs/{self.run_id}/cancel/")
        assert answer.status_code in {200, 202}, answer.text
        return began

    async def until(self, predicate: Callable[[], bool], *, seconds: float = 10) -> None:
        """Wait for `predicate`, asked again after everything that is read here; raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while not predicate():
                await self._changed.wait()

    def _begin(self, reading: Reading) -> Reading:
        reading.began_at = asyncio.get_running_loop().time()
        self.readings.append(reading)
        return reading

    async def _read(self, http: httpx.AsyncClient, method: str, path: str, reading: Reading, **parts: Any) -> None:
        loop, parser = asyncio.get_running_loop(), FrameParser()
        reading.odd = parser.odd
        try:
            async with http.stream(method, path, **parts) as response:
                reading.status = response.status_code
                reading.run_id = reading.run_id or response.headers.get("x-run-id", "")
                reading.replayed = response.headers.get("idempotency-replayed") == "true"
                self._notify()
                if response.status_code != 200:
                    reading.body, reading.end = await response.aread(), Ended.REFUSED
                    return
                async for chunk in response.aiter_raw():
                    reading.take(parser.feed(chunk, loop.time()))
                    self._notify()
                reading.finish(parser.rest)
        except httpx.ReadTimeout:
            reading.end = Ended.SILENT
        except httpx.TransportError:
            reading.end = Ended.UNREACHED if reading.status is None else Ended.CUT
        finally:
            reading.ended_at = loop.time()
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
