"""What the gateway tells of a conversation after the faults: the other half of a history."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.replicas.frames import Frame
from tests.replicas.play import Play
from tests.replicas.reading import Ended, Reading
from tests.replicas.recorder import Recorder

_AGAIN_S: Final = 0.05
_AT_ONCE: Final = 8
"""Runs of one conversation that are replayed together; hundreds would wait for each other and not for their ends."""
_NEVER: Final = frozenset({204, 400, 401, 403, 404, 405, 422})
"""Answers that stay the same however often one asks."""


@dataclass(slots=True, kw_only=True)
class KeptRun:
    """One run, replayed from its first event."""

    run_id: str
    replay: list[Reading]
    """One, or more if the replay itself was cut."""
    status: str = ""
    """What `GET /runs/{id}/` says; its HTTP status where that is not 200."""
    behind_end: int = 0
    """The HTTP status of a resume behind the last event; 0 where there was no end."""

    @property
    def frames(self) -> list[Frame]:
        return [frame for reading in self.replay for frame in reading.frames]

    @property
    def over(self) -> bool:
        return any(reading.over for reading in self.replay)


@dataclass(slots=True, kw_only=True)
class Kept:
    """One conversation; `messages` as `GET /conversations/{id}/` gives them."""

    conversation: str
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    runs: dict[str, KeptRun] = field(default_factory=dict[str, KeptRun])
    complaint: str = ""
    """Why there are no messages."""
    followed: int = 0
    """The HTTP status of following the conversation although no run is active."""
    probe: Reading | None = None
    """A further message; None where none was sent."""
    settled_s: float = 0.0
    """The longest that a run took to be over, from when it was asked for."""


async def ask(recorder: Recorder, http: httpx.AsyncClient, *, seconds: float, probe: bool) -> Kept:
    """Ask for everything; a run that is not over after `seconds` is kept as it is then."""
    kept, loop = Kept(conversation=recorder.conversation), asyncio.get_running_loop()
    known = {reading.run_id: None for reading in recorder.readings if reading.run_id}
    known |= {str(message["run_id"]): None for message in await _messages(kept, http) if message.get("run_id")}
    turns = asyncio.Semaphore(_AT_ONCE)

    async def replayed(run_id: str) -> KeptRun:
        async with turns:
            began = loop.time()
            run = await _run(recorder.conversation, http, run_id, seconds=seconds)
            kept.settled_s = max(kept.settled_s, loop.time() - began)
            return run

    kept.runs = {run.run_id: run for run in await asyncio.gather(*map(replayed, known))}
    # Once more, as the texts are whole only now.
    kept.messages = await _messages(kept, http)
    if all(run.over for run in kept.runs.values()):
        kept.followed = await _status(http, f"/api/chat/conversations/{recorder.conversation}/stream/")
    if probe:
        kept.probe = await _probe(recorder, http, seconds=seconds)
    return kept


async def _messages(kept: Kept, http: httpx.AsyncClient) -> list[dict[str, Any]]:
    found = await http.get(f"/api/chat/conversations/{kept.conversation}/")
    kept.complaint = "" if found.status_code == 200 else f"GET conversation: {found.status_code} {found.text[:200]}"
    messages: list[dict[str, Any]] = [] if kept.complaint else found.json()["messages"]
    return messages


async def _run(conversation: str, http: httpx.AsyncClient, run_id: str, *, seconds: float) -> KeptRun:
    reader = Recorder(conversation)
    try:
        async with asyncio.timeout(seconds):
            reading = await reader.resume(http, run_id=run_id, after=0, header=False)
            while not reader.over and reading.status not in _NEVER:
                await asyncio.sleep(_AGAIN_S)
                reading = await reader.resume(http, run_id=run_id)
    except TimeoutError:
        pass  # what came is in the readings, and that the end is not among it is what is asked
    told = await http.get(f"/api/chat/runs/{run_id}/")
    run = KeptRun(run_id=run_id, replay=reader.readings)
    run.status = str(told.json()["status"]) if told.status_code == 200 else str(told.status_code)
    if run.over:
        run.behind_end = await _status(http, f"/api/chat/runs/{run_id}/stream/?after={reader.seen}")
    return run


async def _status(http: httpx.AsyncClient, path: str) -> int:
    """Give the status alone: a stream that should not be there may have no end."""
    async with http.stream("GET", path) as response:
        return response.status_code


async def _probe(recorder: Recorder, http: httpx.AsyncClient, *, seconds: float) -> Reading:
    prober = Recorder(recorder.conversation, recorder.body)
    try:
        async with asyncio.timeout(seconds):
            return await prober.send(http, Play(chunks=1))
    except TimeoutError:
        prober.readings[0].end = Ended.SILENT
        return prober.readings[0]
