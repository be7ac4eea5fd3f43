"""What one diagnosis learns about wires, for a command that has no database to ask."""

from typing import final

from app.providers.provider import Provider, Wire


@final
class Scratchpad:
    """The `LearnedWires` of one diagnosis, which asks for one model; gone with it."""

    def __init__(self) -> None:
        """Know nothing."""
        self._wires: dict[tuple[str, str], Wire] = {}

    async def find(self, provider: Provider, model: str, *, fresh: bool = False) -> Wire | None:
        """Give what has answered before; nobody else knows better."""
        del fresh
        return self._wires.get((provider.id, model))

    async def learn(self, provider: Provider, model: str, wire: Wire) -> None:
        """Keep what has answered."""
        self._wires[provider.id, model] = wire

    async def unlearn(self, provider: Provider, model: str, wire: Wire) -> None:
        """Forget it."""
        if self._wires.get((provider.id, model)) is wire:
            del self._wires[provider.id, model]
