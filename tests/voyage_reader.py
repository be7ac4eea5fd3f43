"""What the Voyage chat makes of a stream: its reader, step for step, quirks included."""

import codecs
import json
from collections.abc import AsyncIterable, Iterable
from typing import Any, cast


class VoyageReader:
    """Fed with the chunks of a body; `bubble` is what the person sees."""

    def __init__(self) -> None:
        self.bubble = ""
        self.tool_results: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        """Every object that was parsed, also those the chat does nothing with."""
        self._text = ""
        self._buffer = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, chunk: bytes) -> None:
        self._buffer += self._decoder.decode(chunk)
        *lines, self._buffer = self._buffer.split("\n")
        for line in lines:
            if self._take(line):
                # Leaves this batch of lines only; the next chunk is read again.
                break

    def _take(self, line: str) -> bool:
        if not line.startswith("data: "):
            return False
        payload = line.removeprefix("data: ").strip()
        if not payload or payload == "[DONE]":
            return False
        try:
            parsed: object = json.loads(payload)
        except ValueError:
            return False
        if not isinstance(parsed, dict):
            return False
        event = cast("dict[str, Any]", parsed)
        self.events.append(event)
        if event.get("error"):
            self.bubble = event["error"]
            return True
        if event.get("content"):
            self._text += event["content"]
            self.bubble = self._text
        result = event.get("tool_result")
        if result and all(known["tool_call_id"] != result["tool_call_id"] for known in self.tool_results):
            self.tool_results.append(result)
        return False


async def read(chunks: AsyncIterable[bytes]) -> VoyageReader:
    reader = VoyageReader()
    async for chunk in chunks:
        reader.feed(chunk)
    return reader


def read_cut(body: bytes, size: int) -> VoyageReader:
    """Read a whole body in chunks of `size` bytes."""
    reader = VoyageReader()
    for chunk in cut(body, size):
        reader.feed(chunk)
    return reader


def cut(body: bytes, size: int) -> Iterable[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))
