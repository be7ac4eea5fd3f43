"""The gateway's handler in small: the model before the key, the key from one header, its own error bodies.

Order and words are those of https://github.com/anomalyco/opencode, packages/console/app/src/routes/zen/util/handler.ts.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from app.providers.provider import Wire
from tests.upstream import Answer, Exchange, Fault, Recorded, Upstream
from tests.upstream.server import Reply
from tests.zen.table import FORMATS, KEY_HEADERS, ZEN

KEY: Final = "zen-planted-0123456789abcdefghijklmnop"


def error(status: int, kind: str, message: str, *, after: int | None = None, **metadata: str) -> Fault:
    """Give an error response in Zen's form, the same on every wire."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "metadata": metadata}
    headers = {} if after is None else {"retry-after": str(after)}

    async def play(exchange: Exchange) -> None:
        await exchange.json(status, body, headers)

    return Fault(f"zen-{kind}", play, "", says=kind)


class Zen:
    """`async with Zen() as zen`: listens on 127.0.0.1; what it got is in `calls`."""

    def __init__(self, table: Mapping[str, Wire] = ZEN, *, path: str = "/zen/v1", needs_session: bool = False) -> None:
        self.wires: dict[str, frozenset[Wire]] = {model: frozenset({wire}) for model, wire in table.items()}
        """What each model is served on now; an empty set is served nowhere."""
        self.keys = {KEY}
        self.refusal: Fault | None = None
        """Played to a known key for a model that is there, in place of an answer."""
        self.answer = Answer()
        self.upstream = Upstream(self._reply)
        self.upstream.models = list(table)
        self._path = path
        self._needs_session = needs_session

    @property
    def base_url(self) -> str:
        """As the provider's row has it."""
        return self.upstream.base_url + self._path

    @property
    def calls(self) -> list[Recorded]:
        """The model calls, refused ones too."""
        return self.upstream.calls

    @property
    def asked(self) -> list[Wire]:
        """The wires of the calls."""
        return [recorded.wire for recorded in self.calls if recorded.wire]

    def move(self, model: str, *wires: Wire) -> None:
        """Serve `model` on these wires from now on."""
        self.wires[model] = frozenset(wires)

    async def __aenter__(self) -> Self:
        await self.upstream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.upstream.__aexit__(kind, failure, trace)

    def _reply(self, recorded: Recorded) -> Reply:
        assert recorded.wire is not None
        if not recorded.route.startswith(f"{self._path}/") or recorded.wire not in FORMATS:
            return error(404, "error", "Not found")
        if self._needs_session and not recorded.headers.get("x-opencode-session"):
            return error(400, "MissingSessionID", "Missing x-opencode-session header")
        return self._refused_model(recorded.model, recorded.wire) or self._refused_key(recorded) or self._answered()

    def _refused_model(self, model: str, wire: Wire) -> Fault | None:
        if model not in self.wires:
            return error(401, "ModelError", f"Model {model} is not supported")
        if wire not in self.wires[model]:
            return error(401, "ModelError", f"Model {model} is not supported for format {FORMATS[wire]}")
        return None

    def _refused_key(self, recorded: Recorded) -> Fault | None:
        assert recorded.wire is not None
        key = recorded.headers.get(KEY_HEADERS[recorded.wire], "").removeprefix("Bearer ")
        if not key:
            return error(401, "AuthError", "Missing API key.")
        return None if key in self.keys else error(401, "AuthError", "Invalid API key.")

    def _answered(self) -> Reply:
        return self.refusal or self.answer
