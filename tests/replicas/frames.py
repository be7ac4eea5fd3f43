"""The frames of an event stream, cut out of the bytes as they come, and kept as they came."""

import re
from dataclasses import dataclass
from typing import Any, Final, Self

import orjson

TERMINAL: Final = frozenset(f"run.{end}" for end in ("completed", "incomplete", "failed", "cancelled", "interrupted"))
_ID: Final = re.compile(rb"(?P<run>[0-9a-f-]{36}):(?P<seq>[1-9][0-9]*)")
_FIELDS: Final = (b"id", b"event", b"data")


@dataclass(frozen=True, slots=True)
class Frame:
    """One event, or the closing marker, with the bytes from its first line to the blank one."""

    raw: bytes
    at: float
    """When its last byte was read, in the time of the event loop."""
    run_id: str
    """Empty where the frame has no id."""
    seq: int
    """0 where the frame has no id."""
    type: str
    data: bytes

    @classmethod
    def of(cls, raw: bytes, at: float) -> Self:
        """Read the lines of `raw`, which are id, event and data, each at most once; raises `ValueError`."""
        given: dict[bytes, bytes] = {}
        for line in raw.removesuffix(b"\n\n").split(b"\n"):
            name, colon, value = line.partition(b": ")
            if not colon or name not in _FIELDS or name in given:
                raise ValueError(line)
            given[name] = value
        position = _ID.fullmatch(given[b"id"]) if b"id" in given else None
        if b"data" not in given or (b"id" in given and position is None):
            raise ValueError(raw)
        run_id, seq = (position["run"].decode(), int(position["seq"])) if position else ("", 0)
        return cls(raw, at, run_id, seq, given.get(b"event", b"").decode(), given[b"data"])

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = orjson.loads(self.data)
        return event

    @property
    def numbered(self) -> bool:
        """Whether it is an event of a run's history."""
        return self.seq > 0

    @property
    def done(self) -> bool:
        return not self.numbered and not self.type and self.data == b"[DONE]"

    @property
    def detached(self) -> bool:
        """Whether the gateway lets the reader go while the run is not over."""
        return not self.numbered and self.type == "stream.detached"

    @property
    def durable(self) -> bool:
        """Whether it was stored before it was sent."""
        return b'"durable":false' not in self.data or self.event.get("durable") is not False

    @property
    def terminal(self) -> bool:
        return self.numbered and self.type in TERMINAL

    @property
    def misnamed(self) -> bool:
        """Whether the event does not say of itself what the frame says of it."""
        named = {"type": self.type, "run_id": self.run_id, "seq": self.seq}
        return not named.items() <= self.event.items()

    def same(self, other: "Frame") -> bool:
        """Whether the bytes are the same; only a mark that it was not stored yet may be gone."""
        if self.durable:
            return self.raw == other.raw
        unmarked = {name: value for name, value in self.event.items() if name != "durable"}
        return unmarked == {name: value for name, value in other.event.items() if name != "durable"}


class FrameParser:
    """Bytes in, whole frames out; what is not whole when the stream ends was not seen."""

    def __init__(self) -> None:
        self.odd: list[bytes] = []
        """What no reader of this protocol expects."""
        self.rest = b""
        """What is not whole yet."""

    def feed(self, chunk: bytes, at: float) -> list[Frame]:
        """Take the next bytes, read at the time `at`; comments are passed over."""
        *blocks, self.rest = (self.rest + chunk).split(b"\n\n")
        frames: list[Frame] = []
        for block in blocks:
            lines = [line for line in block.split(b"\n") if not line.startswith(b":")]
            if not lines:
                continue
            try:
                frames.append(Frame.of(b"\n".join(lines) + b"\n\n", at))
            except ValueError:
                self.odd.append(block)
        return frames
