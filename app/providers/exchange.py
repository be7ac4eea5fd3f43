"""One model call on the wire: what was sent where, what came back, and the socket that must be closed."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from app.errors import GatewayError, Origin, StreamInterrupted
from app.providers.model import Delta, Finish, ModelRequest, UsageReport
from app.providers.wires.reader import WireReader
from app.secret import Secret


@dataclass(slots=True)
class Exchange:
    """Shared by a lane and what sends for it; belongs to the lane."""

    request: ModelRequest
    id: str = ""
    """Names this call inside the process, for a lane that needs it; it never leaves it."""
    reader: WireReader | None = None
    error: GatewayError | None = None
    """The first thing that went wrong on the wire: it outranks whatever a translator makes of it."""
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def origin(self) -> Origin:
        """Where the call goes, for errors."""
        route = self.request.route
        return Origin(
            provider=route.provider.id,
            label=route.provider.label,
            model=route.model,
            private=not self.request.own_key,
        )

    @property
    def key(self) -> Secret | None:
        """The key in use, so that it can be taken out of whatever the upstream says."""
        return self.request.api_key

    @property
    def finished(self) -> bool:
        """Whether the wire's own end of the answer was seen."""
        return self.reader is not None and self.reader.reading.finish is not None

    def fail(self, error: GatewayError) -> GatewayError:
        """Remember the first error; give the one that stands."""
        if self.error is None:
            self.error = error
        return self.error

    def ending(self) -> tuple[Delta, ...]:
        """Give usage and finish as the wire said them; raises the error that stands, or `StreamInterrupted`."""
        reading = self.reader.reading if self.reader else None
        if self.error is not None:
            raise self.error
        if reading is None or reading.finish is None:
            raise self.fail(StreamInterrupted(origin=self.origin))
        finish = Finish(reading.finish)
        return (finish,) if reading.usage is None else (UsageReport(reading.usage), finish)
