"""An error status is told as what it is, whatever becomes of its body."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.config_file import ProviderTable, Timeouts
from app.errors import AuthenticationFailed
from app.providers import error_body, sending
from app.providers.model import ModelClient
from app.providers.models_list import list_models
from app.providers.native_lane import WIRES
from app.providers.provider import Deadlines, Lane, Wire
from app.providers.registry import build_registry
from app.providers.transport import Transport, UpstreamResponse
from app.secret import Secret
from tests.providers.calls import KEY, Outcome, call, open_lane, request_to, route_to
from tests.upstream import Fault, Upstream
from tests.upstream.exchange import Exchange

SAID = b'{"error": {"message": "Your account is closed.", "type": "invalid_request_error"}}'
SHORT = Deadlines(connect_s=1.0, first_token_s=0.6, idle_s=0.6, total_s=3.0)


async def _stall(exchange: Exchange) -> None:
    exchange.head(401, "application/json")
    await exchange.hang()


async def _drip(exchange: Exchange) -> None:
    exchange.head(401, "application/json")
    await exchange.send(SAID)
    while True:
        await exchange.send(b" ")
        await exchange.flush()
        await exchange.pause(0.02)


async def _stop_half_way(exchange: Exchange) -> None:
    exchange.head(401, "application/json")
    await exchange.send(SAID)
    await exchange.hang()


async def _break_off(exchange: Exchange) -> None:
    exchange.head(401, "application/json", length=1000)
    exchange.raw(SAID)
    await exchange.flush()
    await exchange.drop()


async def _late(exchange: Exchange) -> None:
    await exchange.pause(0.3)
    await _stall(exchange)


PLAYS: dict[str, Callable[[Exchange], Awaitable[None]]] = {
    "stall": _stall,
    "drip": _drip,
    "half": _stop_half_way,
    "break": _break_off,
}
plays = pytest.mark.parametrize("play", PLAYS)


async def _ask(client: ModelClient, upstream: Upstream, wire: Wire, deadlines: Deadlines = SHORT) -> Outcome:
    async with asyncio.timeout(10):
        return await call(client, request_to(route_to(upstream.base_url, wire), deadlines=deadlines, tools=()))


@plays
@pytest.mark.parametrize("lane", Lane)
async def test_a_status_is_told_whatever_becomes_of_its_body(
    lane: Lane, play: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_body, "MOST_S", 0.1)
    async with Upstream(Fault(play, PLAYS[play], None)) as upstream, open_lane(lane) as client:
        for wire in Wire if lane is Lane.LITELLM else WIRES:
            outcome = await _ask(client, upstream, wire, Deadlines())

            assert (wire, outcome.code) == (wire, "authentication_failed")
            assert outcome.error is not None
            said = outcome.error.origin.upstream_message or ""
            assert said == ("" if play == "stall" else "Your account is closed.")


async def test_the_body_takes_no_longer_than_the_call_may() -> None:
    async with Upstream(Fault("late", _late, None)) as upstream, open_lane(Lane.NATIVE) as client:
        begun = asyncio.get_running_loop().time()
        outcome = await _ask(client, upstream, Wire.OPENAI_CHAT)

        assert outcome.code == "authentication_failed"
        assert asyncio.get_running_loop().time() - begun < SHORT.first_token_s + 0.2


async def test_a_deadline_of_the_call_that_comes_first_tells_the_status_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "read_error_body", _wait_for_ever)
    async with Upstream(Fault("stall", _stall, None)) as upstream:
        for lane in Lane:
            async with open_lane(lane) as client:
                assert (await _ask(client, upstream, Wire.OPENAI_CHAT)).code == "authentication_failed"


@plays
async def test_a_refusal_of_the_list_is_told_too(play: str) -> None:
    async with Upstream() as upstream, Transport() as transport:
        upstream.models_fault = Fault(play, PLAYS[play], None)
        table = ProviderTable(api_base=upstream.base_url, timeouts=Timeouts(first_token_s=0.6))
        row = build_registry({"openai": table}).get("openai")

        with pytest.raises(AuthenticationFailed):
            await list_models(transport, row, Secret(KEY), seconds=5)


async def _wait_for_ever(response: UpstreamResponse, *, left_s: float) -> bytes:
    while await response.readany():
        pass
    raise AssertionError(left_s)
