"""A run while it is alive: its names, its journal, and the way to stop it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.errors import GatewayError, Interrupted
from app.runs.journal import Journal, Log


@dataclass(slots=True, eq=False, kw_only=True)
class LiveRun:
    """Made inside the running loop; `hub` owns it, readers only use the ids and the journal."""

    run_id: UUID
    user_id: str
    conversation_id: UUID
    user_message_id: UUID
    message_id: UUID
    provider: str = ""
    model: str = ""
    """Both are known when the message is stored."""
    log: Log | None = None
    """Stores its events; None for an answer that nobody can come back to."""
    journal: Journal = field(init=False)
    begun: "asyncio.Future[None]" = field(init=False)
    """Done when the message is stored and the first event is in; fails with why that was refused or given up."""
    stopped_by: GatewayError | None = None
    """`Cancelled` or `Interrupted` once somebody has told the run to stop."""
    parked: bool = False
    """Whether it waits for its caller: if this process ends, another one goes on with it."""
    earlier: list[UUID] = field(default_factory=list[UUID])
    """The messages of the steps before `message_id`, which called tools."""
    _answer: "asyncio.Task[Any] | None" = None

    def __post_init__(self) -> None:
        self.journal = Journal(self.run_id, self.log)
        self.begun = asyncio.get_running_loop().create_future()

    def refuse(self, failure: BaseException) -> None:
        """Let the caller of `start` have `failure`; only the first one counts."""
        if not self.begun.done():
            self.begun.set_exception(failure)
            self.begun.exception()  # counts as seen, as the caller may have left by now

    def attach(self, answer: "asyncio.Task[Any]") -> None:
        """Name the task that `stop` cancels: the wait or the model call, never the storing of what it gave."""
        self._answer = answer
        if self.stopped_by is not None:
            answer.cancel()

    def step(self, message_id: UUID) -> None:
        """Go on in another message."""
        self.earlier.append(self.message_id)
        self.message_id = message_id

    def lose(self) -> None:
        """Stop because the run is over elsewhere, or gone: nobody goes on with it."""
        self.parked = False
        self.stop(Interrupted())

    def stop(self, reason: GatewayError) -> bool:
        """Stop the model call; False when it is over already. The first reason stands."""
        if self.journal.closed or (self._answer is not None and self._answer.done()):
            return False
        if self.stopped_by is None:
            self.stopped_by = reason
            if self._answer is not None:
                self._answer.cancel()
        return True
