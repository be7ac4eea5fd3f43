"""One answer as it arrives: its tokens counted and timed, and at the end whether it was whole."""

import re
from collections.abc import Sequence
from typing import Final, final

from bench import stamp

_OK: Final = b"HTTP/1.1 200"
_REFUSED: Final = b"HTTP/1.1 429"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END_OF_HEAD: Final = b"\r\n\r\n"
_END: Final = b"0\r\n\r\n"
_DONE: Final = b"data: [DONE]\n\n"
_FINISHED: Final = b'"finish_reason":"stop"'
_KEPT: Final = max(stamp.CHARS, len(_DONE), len(_FINISHED)) - 1


@final
class Reader:
    """Reads the bytes of one HTTP answer in chunked coding, the upstream's or the gateway's.

    It parses no frame and no JSON: a token stands whole inside one frame, and a frame inside one chunk of the coding,
    so the bytes can be searched as they are, several tokens in one event included.
    """

    def __init__(self) -> None:
        """Start before the first byte."""
        self.tokens = 0
        self.over: bool = False
        self.refused: bool = False
        """Whether the server has too much to do for it; `over` once the whole refusal was read."""
        self._tail: bytes = b""
        self._in_body = False
        self._ok: bool = False
        self._done = False
        self._finished = False
        self._newest = 0
        self._in_order = True

    def feed(self, data: bytes) -> Sequence[int]:
        """Take what was read; give the times of the tokens that are whole by now, in nanoseconds."""
        seen = self._tail + data
        if self.refused or (not self._in_body and seen.startswith(_REFUSED)):
            self._read_refusal(seen)
            return ()
        if not self._in_body:
            head, separator, body = seen.partition(_END_OF_HEAD)
            if not separator:
                self._tail = seen
                return ()
            self._in_body, self._ok, seen = True, head.startswith(_OK), body
        times, end = stamp.read(seen)
        for time in times:
            self._in_order = self._in_order and time > self._newest
            self._newest = time
        self.tokens += len(times)
        self._finished = self._finished or _FINISHED in seen
        self._done = self._done or _DONE in seen
        self.over = not self._ok or seen.endswith(_END)
        # What may be the beginning of something, without what was counted.
        self._tail = seen[max(end, len(seen) - _KEPT) :]
        return times

    def _read_refusal(self, seen: bytes) -> None:
        """Find the end of it: the connection is good for a further request after that."""
        self._tail = seen
        head, separator, body = seen.partition(_END_OF_HEAD)
        length = _LENGTH.search(head)
        self.refused = True
        self.over = bool(separator) and len(body) >= int(length[1] if length else 0)

    def complaint(self, chunks: int) -> str | None:
        """Say what was wrong with an answer that should have had `chunks` tokens; None for a whole one."""
        checks = {
            "status not 200": self._ok,
            "no end of the body": self.over,
            "not every chunk once": self.tokens == chunks,
            "chunks out of order": self._in_order,
            "no finish": self._finished,
            "no [DONE]": self._done,
        }
        return next((what for what, fine in checks.items() if not fine), None)
