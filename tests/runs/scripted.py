"""A model client that says what a test wrote down, and the calls it got."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.events import FinishReason
from app.providers.model import Delta, Finish, ModelRequest, TextDelta

STOP = Finish(FinishReason.STOP)


@dataclass(frozen=True, slots=True)
class Pause:
    """Says that it has come here, then waits to be released."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    deaf: bool = False
    """Does not stop when it is cancelled."""

    async def wait(self) -> None:
        self.reached.set()
        while not self.release.is_set():
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                if not self.deaf:
                    raise


Step = Delta | Exception | Pause


def words(text: str) -> list[Step]:
    """A whole answer of one delta for each word."""
    return [*(TextDelta(f"{word} ") for word in text.split()), STOP]


class ScriptedClient:
    """Plays one script for each call, the last one for all that follow."""

    def __init__(self, *scripts: Iterable[Step]) -> None:
        self.scripts = [list(script) for script in scripts]
        self.requests: list[ModelRequest] = []
        self.open = 0

    def play(self, *scripts: Iterable[Step]) -> None:
        """Begin anew with other scripts."""
        self.scripts = [list(script) for script in scripts]
        self.requests.clear()

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Delta]]:
        self.requests.append(request)
        script = self.scripts[min(len(self.requests), len(self.scripts)) - 1]
        self.open += 1
        deltas = self._play(script)
        try:
            yield deltas
        finally:
            self.open -= 1
            await deltas.aclose()

    async def _play(self, script: list[Step]) -> AsyncGenerator[Delta]:
        for step in script:
            match step:
                case Exception():
                    raise step
                case Pause():
                    await step.wait()
                case _:
                    yield step
