"""With tokens: a tiny answer and a tool call, through the client that answers people, and the codes of a message."""

from dataclasses import replace

import pytest

from app.doctor.case import Case
from app.doctor.report import Report
from app.doctor.sheet import Limits
from app.providers.litellm_lane import LitellmLane
from app.providers.provider import Deadlines, Wire
from app.secret import Secret
from tests.doctor.cases import QUICK, ZEN_RULES, case, look, provider, step, verdicts
from tests.doctor.site import KEY, MODELS, PAGE, Play, api, open_site, refuse, zen_like
from tests.providers.calls import call, request_to
from tests.upstream import Answer, Call, Exchange
from tests.upstream.exchange import play_answer

ZEN = "/zen/v1"


async def code_of_a_message(lane: LitellmLane, wanted: Case) -> str | None:
    """Give the code that a message would end with, None for an answer."""
    assert wanted.route is not None
    deadlines = Deadlines(connect_s=2, first_token_s=2, idle_s=2, total_s=9)
    return (await call(lane, request_to(wanted.route, deadlines=deadlines, tools=()))).code


async def look_at(
    lane: LitellmLane,
    play: Play,
    path: str = "/v1",
    *,
    model: str = "gpt-5-nano",
    tools: bool = False,
    limits: Limits = QUICK,
    **row: object,
) -> Report:
    """Diagnose with tokens; the step that failed has the code of a message."""
    async with open_site(play) as site:
        wanted = case(provider(site.url(path), **row), model=model, spend=True, tools=tools)
        report = await look(wanted, client=lane, limits=limits)
        code = await code_of_a_message(lane, wanted)
        assert [asked for asked in site.requests if asked.api_key not in {KEY, ""}] == []

    assert KEY not in str(report.as_dict())
    failed = step(report, "stream")
    assert failed["code"] == code
    return report


SLOW = Answer(texts=tuple(f"{n} " for n in range(1, 21)), delay=0.02)
"""As models speak: what comes at once after a wait, as a busy machine may be the reason of, is worth a warning."""


async def test_all_is_well(lane: LitellmLane) -> None:
    report = await look_at(lane, api(answer=SLOW))

    found = verdicts(report)
    assert (found["auth"], found["model"], found["wire"], found["stream"]) == ("pass",) * 4
    assert found["tool_call"] == "skip"
    assert report.as_dict()["status"] == "pass"
    assert "gpt-5-nano answers, after" in step(report, "stream")["cause"]


async def test_few_tokens_are_asked_for(lane: LitellmLane) -> None:
    async with open_site(api()) as site:
        await look(case(provider(site.url()), spend=True, tools=True), client=lane)

        first, second = (asked.json_object for asked in site.posted)
    assert first.get("max_tokens", first.get("max_completion_tokens")) == 64
    assert second.get("max_tokens", second.get("max_completion_tokens")) == 256
    assert "tools" not in first
    assert [tool["function"]["name"] for tool in second["tools"]] == ["tell_time"]


@pytest.mark.parametrize(
    ("refusal", "code", "cause"),
    [
        ((401, "AuthError", "Invalid API key."), "authentication_failed", "refused the API key"),
        ((401, "CreditsError", "Insufficient balance."), "insufficient_credits", "no credit left"),
        ((401, "MonthlyLimitError", "Monthly limit."), "spend_limit_reached", "spending limit"),
        ((403, "RegionError", "Not in your region."), "region_not_allowed", "in this region"),
        ((403, "FreeTierError", "Only within OpenCode."), "free_tier_restricted", "free tier"),
    ],
)
async def test_a_key_that_the_list_let_pass_is_found_out_and_told_apart_from_an_account(
    lane: LitellmLane, refusal: tuple[int, str, str], code: str, cause: str
) -> None:
    report = await look_at(lane, zen_like(refusal=refusal), ZEN, wire_rules=ZEN_RULES)

    found = step(report, "auth")
    assert (found["status"], found["code"]) == ("fail", code)
    assert cause in found["cause"]
    assert found["remedy"]
    assert report.as_dict()["failed_step"] == "auth"
    assert (verdicts(report)["http"], verdicts(report)["model"]) == ("pass", "pass")


async def test_a_right_key_that_the_list_did_not_check(lane: LitellmLane) -> None:
    report = await look_at(lane, zen_like(answer=SLOW), ZEN, wire_rules=ZEN_RULES)

    assert verdicts(report)["auth"] == "pass"
    assert "for a real call" in step(report, "auth")["cause"]
    assert report.as_dict()["status"] == "pass"


async def test_an_unknown_model(lane: LitellmLane) -> None:
    report = await look_at(lane, zen_like(), ZEN, model="gpt-4-turbo", wire_rules=ZEN_RULES, lists_all=True)

    found = step(report, "model")
    assert (found["status"], found["code"]) == ("fail", "model_not_found")
    assert report.as_dict()["failed_step"] == "model"


async def test_a_model_that_only_answers_on_another_wire(lane: LitellmLane) -> None:
    report = await look_at(lane, zen_like(), ZEN, gateway=True)

    found = step(report, "wire")
    assert (found["status"], found["code"]) == ("fail", "model_not_found")
    assert found["cause"] == "Test does not serve gpt-5-nano on openai_chat, and does on openai_responses."
    assert 'wire = "openai_responses"' in found["remedy"]
    assert verdicts(report)["model"] == "pass"


async def test_a_model_that_no_wire_serves(lane: LitellmLane) -> None:
    async def play(exchange: Exchange) -> None:
        if exchange.recorded.method == "GET":
            await zen_like()(exchange)
        else:
            await refuse(exchange, 404, "The model does not exist.", "model_not_found")

    report = await look_at(lane, play, ZEN, gateway=True)

    assert step(report, "wire")["code"] == "model_not_found"
    assert "is in the list, and refused on openai_chat" in step(report, "wire")["cause"]


async def test_a_model_that_answers_is_more_than_a_list_that_lacks_it(lane: LitellmLane) -> None:
    async def play(exchange: Exchange) -> None:
        models = ("other",) if exchange.recorded.method == "GET" else MODELS
        await api(models)(exchange)

    report = await look_at(lane, play, lists_all=True, default_model=None)

    assert verdicts(report)["model"] == "warn"
    assert "It answers all the same, but messages to it are refused" in step(report, "model")["cause"]
    assert report.failed is None


async def test_a_list_behind_a_page_does_not_hide_that_messages_work(lane: LitellmLane) -> None:
    async def play(exchange: Exchange) -> None:
        if exchange.recorded.method == "GET":
            await exchange.whole_body(502, "text/html", PAGE)
        else:
            await play_answer(exchange, Answer())

    report = await look_at(lane, play)

    assert (verdicts(report)["http"], verdicts(report)["stream"]) == ("warn", "pass")


@pytest.mark.parametrize(("status", "code"), [(502, "provider_unavailable"), (403, "permission_denied")])
async def test_an_error_behind_a_page(lane: LitellmLane, status: int, code: str) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.whole_body(status, "text/html", PAGE)

    report = await look_at(lane, play)

    assert report.as_dict()["failed_step"] == "http"
    assert (step(report, "http")["code"], step(report, "stream")["code"]) == (code, code)


async def test_an_answer_that_is_held_back(lane: LitellmLane) -> None:
    held = Answer(texts=tuple(f"{n} " for n in range(1, 21)), first_delay=0.8)
    report = await look_at(lane, api(answer=held))

    found = step(report, "stream")
    assert (found["status"], found["code"]) == ("warn", None)
    assert "came at once" in found["cause"]
    assert "buffers" in found["remedy"]


async def test_an_answer_that_comes_piece_by_piece_after_a_wait(lane: LitellmLane) -> None:
    slow = Answer(texts=tuple(f"{n} " for n in range(1, 11)), first_delay=0.4, delay=0.05)
    report = await look_at(lane, api(answer=slow))

    assert verdicts(report)["stream"] == "pass"


async def test_a_stream_that_hangs_is_reported_in_time(lane: LitellmLane) -> None:
    async def play(exchange: Exchange) -> None:
        if exchange.recorded.method == "GET":
            await api()(exchange)
        else:
            exchange.head()
            await exchange.hang()

    report = await look_at(lane, play, limits=replace(QUICK, stream_s=1))

    found = step(report, "stream")
    assert (found["status"], found["code"]) == ("fail", "provider_timeout")
    assert verdicts(report)["tool_call"] == "skip"
    assert report.ms < 4000


async def test_the_whole_time_is_bounded(lane: LitellmLane) -> None:
    async def play(exchange: Exchange) -> None:
        if exchange.recorded.method == "GET":
            await api()(exchange)
        else:
            await exchange.hang()

    async with open_site(play) as site:
        limits = Limits(spend_s=0.8)
        report = await look(case(provider(site.url()), spend=True, tools=True), client=lane, limits=limits)

    assert step(report, "stream")["code"] == "provider_timeout"
    assert report.ms < 2000


TOOL = Call("call_1", "tell_time", ('{"city":', ' "Porto"}'))


@pytest.mark.parametrize(
    ("answer", "verdict", "cause"),
    [
        (Answer(texts=(), tool_calls=(TOOL,)), "pass", "usable arguments"),
        (Answer(texts=("It is noon.",)), "warn", "without calling the tool"),
        (Answer(texts=(), tool_calls=(Call("c", "tell_tim", ("{}",)),)), "warn", "wrong name"),
        (Answer(texts=(), tool_calls=(Call("c", "tell_time", ("[1]",)),)), "warn", "unusable arguments"),
    ],
)
async def test_a_tool_call(lane: LitellmLane, answer: Answer, verdict: str, cause: str) -> None:
    async def play(exchange: Exchange) -> None:
        asks = "tools" in exchange.recorded.json_object
        await api(answer=answer if asks else None)(exchange)

    report = await look_at(lane, play, tools=True)

    assert step(report, "tool_call")["status"] == verdict
    assert cause in step(report, "tool_call")["cause"]


@pytest.mark.parametrize("wire", list(Wire))
async def test_a_key_is_said_back_by_nobody(lane: LitellmLane, wire: Wire) -> None:
    """Every place where a provider could echo it: messages, names of errors, headers, the text of the answer."""

    async def play(exchange: Exchange) -> None:
        echo = {"location": f"https://x.example/{KEY}", "x-request-id": KEY, "date": KEY}
        body = {"error": {"message": f"Bad key {KEY}", "code": KEY, "type": KEY}}
        await exchange.json(401, body, echo)

    async with open_site(play) as site:
        row = provider(site.url("" if wire is Wire.OLLAMA else "/v1"), wire=wire)
        wanted = case(row, spend=True, tools=True)
        report = await look(wanted, client=lane, limits=QUICK)

    assert KEY not in str(report.as_dict())
    assert Secret(KEY) == wanted.key.secret
