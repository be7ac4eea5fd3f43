"""One response of the gateway with events in it, as one client saw it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from tests.replicas.frames import Frame


class Ended(StrEnum):
    """How the reading of a response ended."""

    OPEN = "open"
    """The reader left it, or still reads."""
    UNREACHED = "unreached"
    """There was no response."""
    REFUSED = "refused"
    """A status that is not 200: `body` says what."""
    DONE = "done"
    """With `[DONE]`, and the body properly ended."""
    DETACHED = "detached"
    """The gateway let the reader go, and the body properly ended."""
    CLEAN = "clean"
    """The body properly ended, without either."""
    CUT = "cut"
    """The connection broke in the body."""
    SILENT = "silent"
    """Nothing came for as long as the client waits."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """Filled while the response is read."""

    run_id: str = ""
    """Empty until the gateway has said it."""
    after: int = 0
    """The number of the event behind which this reading begins."""
    status: int | None = None
    replayed: bool = False
    """Whether the gateway said that it had the message already."""
    body: bytes = b""
    """The refusal's."""
    frames: list[Frame] = field(default_factory=list[Frame])
    """Those with a number."""
    last: Frame | None = None
    """The frame without a number: `[DONE]` or the detachment."""
    odd: list[bytes] = field(default_factory=list[bytes])
    end: Ended = Ended.OPEN
    began_at: float = 0.0
    """When the request was sent, in the time of the event loop."""
    ended_at: float = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the gateway said that it has the request."""
        return self.status == 200

    @property
    def seen(self) -> int:
        """The number of the last event, or the one behind which it began."""
        return self.frames[-1].seq if self.frames else self.after

    @property
    def refusal(self) -> dict[str, Any]:
        """The error object of a refusal; empty where there is none."""
        refusal: dict[str, Any] = orjson.loads(self.body) if self.body else {}
        return refusal

    @property
    def detachment(self) -> dict[str, Any]:
        """What the gateway said when it let the reader go, `resume_url` and `retry_ms`; empty where it did not."""
        return self.last.event if self.last is not None and self.last.detached else {}

    @property
    def text(self) -> str:
        return "".join(frame.event.get("content", "") for frame in self.frames)

    @property
    def over(self) -> bool:
        """Whether the terminal event was seen."""
        return bool(self.frames) and self.frames[-1].terminal

    def take(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if self.last is not None:
                self.odd.append(frame.raw)
            elif frame.numbered:
                self.run_id = self.run_id or frame.run_id
                self.frames.append(frame)
            elif frame.done or frame.detached:
                self.last = frame
            else:
                self.odd.append(frame.raw)

    def finish(self, rest: bytes) -> None:
        """Take the proper end of the body; a `rest` that is no whole frame is then no matter of a broken connection."""
        if rest:
            self.odd.append(rest)
        if self.last is None:
            self.end = Ended.CLEAN
        else:
            self.end = Ended.DONE if self.last.done else Ended.DETACHED
