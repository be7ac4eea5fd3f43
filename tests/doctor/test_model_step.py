"""What the free list says of a model: no more against it than where a message would be refused for it."""

import pytest

from app.doctor.report import Report
from app.providers.model import ModelClient
from app.providers.models_list import MODEL_LIMIT
from tests.doctor.cases import QUICK, case, look, provider, step, verdicts
from tests.doctor.site import api, open_site
from tests.upstream import Exchange

LISTED = ("gpt-5-nano", "gpt-4o-2024-08-06", "qwen3:8b", "x-ai/grok-4", "llama3:latest", "text-embedding-3-small")


async def look_up(
    model: str, *, listed: tuple[str, ...] = LISTED, operators: str | None = None, **row: object
) -> Report:
    """Diagnose with a list that is said to name all there is."""
    async with open_site(api(listed)) as site:
        changes = {"lists_all": True} | row
        return await look(case(provider(site.url(), **changes), model=model, operators=operators), limits=QUICK)


async def test_a_model_that_the_list_rules_out() -> None:
    report = await look_up("gpt-5-nan")

    found = step(report, "model")
    assert (found["status"], found["code"]) == ("fail", "model_not_found")
    assert found["remedy"].startswith("Use one of its models, such as gpt-5-nano")


@pytest.mark.parametrize("model", ["gpt-5-nano", "GPT-5-nano", "llama3", "text-embedding-3-small"])
async def test_a_model_that_is_in_the_list(model: str) -> None:
    assert verdicts(await look_up(model))["model"] == "pass"


@pytest.mark.parametrize("model", ["mistral-large-latest", "gpt-4o", "qwen3", "x-ai/grok-4:free", "grok-4-beta"])
async def test_another_spelling_is_no_failure(model: str) -> None:
    found = step(await look_up(model), "model")

    assert (found["status"], found["code"]) == ("warn", None)
    assert "--spend" in found["remedy"]


async def test_a_list_that_is_not_believed_only_warns() -> None:
    assert verdicts(await look_up("gpt-5-nan", lists_all=False))["model"] == "warn"
    assert verdicts(await look_up("gpt-5-nan", models_list=None))["model"] == "warn"
    cut = tuple(f"m{n}" for n in range(MODEL_LIMIT + 1))
    assert verdicts(await look_up("gpt-5-nan", listed=cut))["model"] == "warn"


async def test_what_the_operator_has_named_is_not_ruled_out() -> None:
    assert verdicts(await look_up("gpt-5-nan", operators="gpt-5-nan"))["model"] == "warn"
    assert verdicts(await look_up("gpt-5-nan", operators="gpt-5"))["model"] == "fail"
    assert verdicts(await look_up("gpt-5-nan", default_model="gpt-5-nan"))["model"] == "warn"


async def test_a_spelling_that_answers_is_fine(lane: ModelClient) -> None:
    async def play(exchange: Exchange) -> None:
        await api(("gpt-4o-2024-08-06",) if exchange.recorded.method == "GET" else ("gpt-4o",))(exchange)

    async with open_site(play) as site:
        wanted = case(provider(site.url(), lists_all=True), model="gpt-4o", spend=True)
        report = await look(wanted, client=lane)

    assert step(report, "model")["cause"] == "gpt-4o answers, and the list does not rule it out."
    assert verdicts(report)["model"] == "pass"
