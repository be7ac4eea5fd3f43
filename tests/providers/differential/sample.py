"""A stream as a provider writes it, with what it means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.events import FinishReason, Usage
from app.providers.provider import Wire
from tests.upstream import Exchange, Fault

Calls = list[tuple[str, str, Any]]
"""Id, name and arguments of each call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`name` says what happens in `body`; the rest is what a person who knows the wire would read in it."""

    name: str
    wire: Wire
    body: bytes
    text: str = ""
    reasoning: str = ""
    calls: Calls = field(default_factory=list[tuple[str, str, Any]])
    usage: Usage | None = None
    finish: FinishReason = FinishReason.STOP

    @property
    def meant(self) -> dict[str, Any]:
        """What a lane must answer, in the form of `compared.answer`."""
        return {
            "text": self.text,
            "reasoning": self.reasoning,
            "calls": self.calls,
            "usage": self.usage,
            "finish": [self.finish],
            "error": None,
        }

    def played(self, split: int | None = None) -> Fault:
        """Give what an upstream plays to send it, in pieces of `split` bytes."""

        async def play(exchange: Exchange) -> None:
            exchange.head(content_type="text/event-stream")
            exchange.split = split
            await exchange.send(self.body)
            await exchange.end()

        return Fault(self.name, play, None)


def sse(*events: Mapping[str, Any] | str, named: bool = False) -> bytes:
    """Give the events one after the other; a text is the line of a comment, or the end of the chat wire."""
    lines: list[str] = []
    for event in events:
        if isinstance(event, str):
            lines.append(event)
            continue
        kind = f"event: {event['type']}\n" if named else ""
        lines.append(f"{kind}data: {json.dumps(event)}")
    return "".join(f"{line}\n\n" for line in lines).encode()
