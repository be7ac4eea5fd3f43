"""A memory of learned wires for tests that need no database; the real one is tested with both."""

from app.providers.provider import Provider, Wire


class Book:
    """Keeps what it is told, counts what it is asked."""

    def __init__(self) -> None:
        self.wires: dict[str, Wire] = {}
        self.elsewhere: dict[str, Wire] = {}
        """What another process has learned meanwhile."""
        self.asked = 0
        self.written = 0

    async def find(self, provider: Provider, model: str, *, fresh: bool = False) -> Wire | None:
        del provider
        self.asked += 1
        if fresh:
            self.wires |= self.elsewhere
        return self.wires.get(model)

    async def learn(self, provider: Provider, model: str, wire: Wire) -> None:
        del provider
        self.written += 1
        self.wires[model] = wire

    async def unlearn(self, provider: Provider, model: str, wire: Wire) -> None:
        del provider
        if self.wires.get(model) is wire:
            del self.wires[model]
