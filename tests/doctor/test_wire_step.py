"""Where the client moves a model between wires itself, a diagnosis says what it did, and moves nothing of its own."""

from dataclasses import replace

from app.config_file import ProviderTable
from app.doctor.report import Report
from app.doctor.scratchpad import Scratchpad
from app.providers.families import Families
from app.providers.model import ModelClient
from app.providers.provider import Wire
from app.providers.registry import build_registry
from tests.doctor.cases import QUICK, case, look, step, verdicts
from tests.zen import KEY, Zen

CHAT, RESPONSES = Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES
MODEL = "gpt-5-nano"


async def look_at(zen: Zen, lane: ModelClient, *, tools: bool = False, **table: object) -> Report:
    """Diagnose the catalogue's row at `zen`, with tokens."""
    given = ProviderTable.model_validate({"api_base": zen.base_url} | table)
    route = build_registry({"opencode_zen": given}).resolve("opencode_zen", MODEL)
    wanted = replace(case(route.provider, model=MODEL, key=KEY, spend=True, tools=tools), route=route)
    return await look(wanted, client=Families(lane, Scratchpad()), limits=QUICK)


async def test_a_model_that_has_moved_is_reported_on_the_wire_that_answers(lane: ModelClient) -> None:
    async with Zen() as zen:
        zen.move(MODEL, CHAT)
        report = await look_at(zen, lane, tools=True)

        assert zen.asked == [RESPONSES, CHAT, CHAT]
    assert report.wire == "openai_chat"
    assert (verdicts(report)["wire"], verdicts(report)["stream"]) == ("pass", "pass")
    assert step(report, "wire")["cause"] == f"{MODEL} is served on openai_chat."


async def test_a_model_that_no_wire_serves_is_tried_once_on_each(lane: ModelClient) -> None:
    async with Zen() as zen:
        zen.move(MODEL)
        report = await look_at(zen, lane)

        assert len(zen.asked) == len(set(zen.asked)) > 1
        assert report.wire == zen.asked[-1].value
    assert (step(report, "wire")["status"], step(report, "wire")["code"]) == ("fail", "endpoint_mismatch")
    assert report.as_dict()["failed_step"] == "wire"


async def test_the_wire_of_the_operator_is_not_left_and_the_right_one_is_named(lane: ModelClient) -> None:
    async with Zen() as zen:
        report = await look_at(zen, lane, wires={MODEL: "openai_chat"})

    found = step(report, "wire")
    assert (report.wire, found["status"], found["code"]) == ("openai_chat", "fail", "endpoint_mismatch")
    assert "and does on openai_responses" in found["cause"]
    assert found["remedy"].startswith(f'Set "{MODEL}" = "openai_responses" in [providers.opencode_zen.wires]')
