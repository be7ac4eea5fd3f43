"""A tiny real answer and a tool call, through the same port that answers people: what is diagnosed is what is used."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import orjson

from app.doctor.answering import other_wires
from app.doctor.case import Case
from app.doctor.report import Finding, failed, passed, warned
from app.errors import (
    EndpointMismatch,
    GatewayError,
    InvalidProviderResponse,
    InvalidRequest,
    ModelNotFound,
    ProviderTimeout,
    UnknownError,
)
from app.events import FinishReason
from app.providers import family
from app.providers.model import (
    ChatMessage,
    Finish,
    ModelClient,
    ModelRequest,
    ReasoningTextDelta,
    TextDelta,
    ToolCallPiece,
    ToolSpec,
)
from app.providers.provider import Route, Wire

MAX_TOKENS: Final = 64
"""What one answer may cost; OpenAI takes no fewer than 16, and it takes some to see whether they come one by one."""
TOOL_TOKENS: Final = 256
"""Models that reason spend most of it before they call."""
LONG_CHARS: Final = 30
"""No model makes so much text in one step, and none in `AT_ONCE_S`; text that arrives together is one delta."""
AT_ONCE_S: Final = 0.02
_TRIES: Final = 3
_QUESTION: Final = ChatMessage(role="user", content="Count from 1 to 20, with spaces. Nothing else.")
_TOOL: Final = ToolSpec(
    name="tell_time",
    description="Tells the time in a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
_TOOL_QUESTION: Final = ChatMessage(role="user", content="Call the tool tell_time for the city Porto. Write nothing.")
_ELSEWHERE: Final = (EndpointMismatch, ModelNotFound, InvalidRequest, InvalidProviderResponse, UnknownError)
"""What a gateway says about a model that it serves on another wire."""
OnWire = Callable[[Wire], None]


def _unheard(_wire: Wire) -> None:
    """Take no notice."""


@dataclass(slots=True)
class Heard:
    """One answer; times are seconds since it was asked for."""

    chars: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    finish: FinishReason | None = None
    calls: dict[int, tuple[str, str]] | None = None
    """Name and arguments of each tool call."""

    @property
    def held_back(self) -> bool:
        """Whether a whole answer came at once, at the end of a wait."""
        at_once = self.last_s - self.first_s <= max(AT_ONCE_S, 0.1 * self.first_s)
        return self.chars >= LONG_CHARS and at_once and self.first_s > 10 * AT_ONCE_S


async def listen(client: ModelClient, request: ModelRequest) -> Heard:
    """Ask, and listen to the end; raises the `GatewayError` that a message would fail with."""
    loop = asyncio.get_running_loop()
    began, heard, calls = loop.time(), Heard(), dict[int, tuple[str, str]]()
    async with client.stream(request) as deltas:
        async for delta in deltas:
            match delta:
                case TextDelta(text) | ReasoningTextDelta(text):
                    heard.last_s = loop.time() - began
                    heard.first_s = heard.first_s or heard.last_s
                    heard.chars += len(text)
                case ToolCallPiece():
                    name, arguments = calls.get(delta.index, ("", ""))
                    calls[delta.index] = (name + (delta.name or ""), arguments + delta.arguments)
                case Finish():
                    heard.finish = delta.reason
                case _:
                    pass
    heard.calls = calls
    return heard


async def stream_finding(
    client: ModelClient, case: Case, route: Route, *, seconds: float, on_wire: OnWire = _unheard
) -> tuple[Finding, GatewayError | None]:
    """Ask for a few words; the error is given beside its finding, for who looks further.

    `on_wire` is told each wire that the client tries, as `ModelRequest.on_wire` is.
    """
    try:
        async with asyncio.timeout(seconds):
            heard = await listen(client, replace(_request(case, route), on_wire=on_wire))
    except GatewayError as error:
        return failed(error), error
    except TimeoutError:
        message = f"{route.model} had not finished a few words after {seconds:g} s; a message may wait longer."
        late = ProviderTimeout(message, origin=case.origin)
        return failed(late), late
    if heard.held_back:
        cause = f"{route.model} answers, but the whole answer came at once after {heard.first_s:.1f} s."
        remedy = "Look for a proxy in between that buffers responses, and switch that off for event streams."
        return warned(cause, remedy), None
    return passed(f"{route.model} answers, after {heard.first_s:.1f} s."), None


async def find_wire(
    client: ModelClient, case: Case, route: Route, error: GatewayError, *, seconds: float
) -> Wire | None:
    """Give the first wire on which the model answers that is refused on its own.

    None where messages try other wires themselves: what those have found is in `error`.
    """
    row = route.provider
    if not isinstance(error, _ELSEWHERE) or family.may_move(row, route.model):
        return None
    for wire in other_wires(case)[:_TRIES]:
        found, _ = await stream_finding(client, case, family.on_wire(route, wire), seconds=seconds)
        if found.code is None:
            return wire
    return None


def wrong_wire(case: Case, right: Wire, error: GatewayError) -> Finding:
    """Say on which wire the model is served."""
    row, model = case.provider, case.model
    cause = f"{row.label} does not serve {model} on {case.wire.value}, and does on {right.value}."
    by_operator = model is not None and family.operators_wire(row, model) is not None
    setting = (
        f'"{model}" = "{right.value}" in [providers.{row.id}.wires]'
        if by_operator
        else (f'wire = "{right.value}" in [providers.{row.id}]')
    )
    remedy = f"Set {setting} of the configuration file, or choose another model."
    return failed(error, cause=cause, remedy=remedy)


async def tool_finding(client: ModelClient, case: Case, route: Route) -> Finding:
    """Offer a tool and ask for a call of it."""
    request = replace(
        _request(case, route),
        messages=(_TOOL_QUESTION,),
        tools=(_TOOL,),
        tool_choice="auto",
        max_output_tokens=TOOL_TOKENS,
    )
    heard = await listen(client, request)
    calls = list((heard.calls or {}).values())
    if any(name == _TOOL.name and _is_object(arguments) for name, arguments in calls):
        return passed(f"{route.model} calls a tool with usable arguments.")
    if calls:
        message = f"{route.model} called a tool with a wrong name or unusable arguments."
        return warned(message, "Choose another model for conversations with tools.")
    cause = f"{route.model} answered without calling the tool (it ended with {heard.finish or 'nothing'})."
    return warned(cause, "Choose another model for conversations with tools, or try again: models differ by the day.")


def _request(case: Case, route: Route) -> ModelRequest:
    return ModelRequest(
        route=route,
        api_key=case.key.secret,
        own_key=case.key.own,
        messages=(_QUESTION,),
        max_output_tokens=MAX_TOKENS,
        deadlines=route.provider.deadlines,
        session_id="doctor",
    )


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
