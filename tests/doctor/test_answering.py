"""A provider that is reached and does not answer as it should, and what the free request tells of key and model."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.doctor.case import KeyFound
from app.doctor.listing import neighbours
from app.doctor.report import Report
from app.errors import GatewayError, MissingCredential
from app.providers import models_list
from app.providers.models_list import list_models
from app.providers.provider import Provider, Wire
from app.providers.transport import Transport
from app.secret import Secret
from tests.doctor.cases import QUICK, case, look, provider, step, verdicts
from tests.doctor.site import KEY, PAGE, Play, api, fixed, hang, open_site, zen_like
from tests.upstream import Exchange


async def look_at(play: Play, path: str = "/v1", *, model: str = "gpt-5-nano") -> tuple[Report, list[str]]:
    """Diagnose a site that answers with `play`; also give what it was asked for."""
    async with open_site(play) as site:
        report = await look(case(provider(site.url(path)), model=model), limits=QUICK)
        assert site.posted == []
        assert KEY not in str(report.as_dict())
        return report, [f"{asked.method} {asked.path}" for asked in site.requests]


async def code_of_a_list(row: Provider) -> str:
    async with Transport() as transport:
        with pytest.raises(GatewayError) as failure:
            await list_models(transport, row, Secret(KEY), seconds=2)
    return failure.value.code


async def test_all_is_well_without_a_token() -> None:
    report, asked = await look_at(api())

    assert verdicts(report) == {
        "key_stored": "pass",
        "key_opens": "skip",
        "base_url": "pass",
        "dns": "skip",
        "tcp": "pass",
        "tls": "skip",
        "http": "pass",
        "clock": "skip",
        "auth": "pass",
        "model": "pass",
        "wire": "skip",
        "stream": "skip",
        "tool_call": "skip",
    }
    assert report.as_dict()["status"] == "pass"
    assert asked == ["GET /v1/models"] * 2


@pytest.mark.parametrize(
    ("given", "right"),
    [("", "/v1"), ("/openai", "/openai/v1"), ("/v1/api/v1", "/v1/api"), ("/v2", "/v2/v1"), ("/v1", "")],
)
async def test_a_base_url_with_the_wrong_version_is_named_with_the_right_one(given: str, right: str) -> None:
    async with open_site(api(root=right)) as site:
        report = await look(case(provider(site.url(given))))

        found = step(report, "http")
        assert (found["status"], found["code"]) == ("fail", "invalid_provider_response")
        assert found["remedy"] == f"Set api_base to {site.url(right)}."
        assert "HTML page (status 404)" in found["cause"]
        assert found["code"] == await code_of_a_list(provider(site.url(given)))
        assert verdicts(report)["auth"] == "skip"


async def test_a_doubled_version_that_was_pasted_is_one() -> None:
    async with open_site(api()) as site:
        report = await look(case(provider(site.url("/v1/v1/"))))

    assert report.failed is None
    assert step(report, "base_url")["cause"] == f"Requests go to {site.url()}."


@pytest.mark.parametrize("wire", list(Wire))
def test_the_neighbours_of_a_base_url_are_few_and_others(wire: Wire) -> None:
    for path in ("", "/v1", "/v1/v1", "/api/v1", "/v1/openai", "/v1beta", "/a/v1/b/v2/c/v3/d", "/paas/v4"):
        found = neighbours(f"http://h{path}", wire)

        assert len(found) == len(set(found)) <= 4
        assert f"http://h{path}" not in found


async def test_an_address_that_has_no_api_at_all() -> None:
    report, _ = await look_at(fixed(404))

    found = step(report, "http")
    assert found["code"] == "invalid_provider_response"
    assert "Correct api_base" in found["remedy"]


async def test_a_page_with_status_200() -> None:
    report, _ = await look_at(fixed(200))

    assert step(report, "http")["code"] == "invalid_provider_response"
    assert "HTML page (status 200)" in step(report, "http")["cause"]


@pytest.mark.parametrize(("status", "code"), [(502, "provider_unavailable"), (503, "provider_unavailable")])
async def test_a_page_of_a_proxy_hides_what_the_provider_says(status: int, code: str) -> None:
    async with open_site(fixed(status)) as site:
        report = await look(case(provider(site.url())))
        assert code == await code_of_a_list(provider(site.url()))

    found = step(report, "http")
    assert (found["status"], found["code"]) == ("fail", code)
    assert f"HTML page (status {status})" in found["cause"]
    assert "proxy" in found["cause"]


async def test_a_firewalls_page() -> None:
    report, _ = await look_at(fixed(403))

    assert report.failed is not None
    assert step(report, "http")["status"] == "fail"
    assert "HTML page (status 403)" in step(report, "http")["cause"]


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://api.new.example/v1/models?key=sk-planted-0123456789abcdefghijklmnop", "https://api.new.example"),
        ("/login?next=/v1/models", "http://127.0.0.1"),
        ("https://user:sk-planted-0123456789abcdefghijklmnop@[::1]:8443/x", "https://[::1]:8443"),
        ("http://[bad", "another place"),
    ],
)
async def test_a_redirect_is_named_with_its_origin_only(location: str, shown: str) -> None:
    report, asked = await look_at(fixed(307, b"", "text/plain", {"location": location}))

    found = step(report, "http")
    assert (found["status"], found["code"]) == ("fail", "invalid_provider_response")
    assert f"redirects (307) to {shown}" in found["cause"]
    assert not {"key=", "login", "user"} & set(found["cause"].split("/"))
    assert asked == ["GET /v1/models"]


async def test_a_server_that_hangs_is_reported_in_time() -> None:
    report, _ = await look_at(hang)

    found = step(report, "http")
    assert (found["status"], found["code"]) == ("fail", "provider_timeout")
    assert "took the request, and did not answer it in 0.6 s" in found["cause"]
    assert report.ms < 2000


async def test_a_server_that_hangs_in_the_search_is_reported_in_time() -> None:
    asked: list[str] = []

    async def play(exchange: Exchange) -> None:
        asked.append(exchange.recorded.path)
        if len(asked) == 1:
            await exchange.whole_body(404, "text/html", PAGE)
        else:
            await exchange.hang()

    report, _ = await look_at(play)

    assert step(report, "http")["code"] == "invalid_provider_response"
    assert report.ms < 2500


@pytest.mark.parametrize(
    ("minutes", "where"), [(-11, "11 minutes ahead of"), (42, "42 minutes behind"), (4, ""), (-4, "")]
)
async def test_a_clock_that_is_wrong(minutes: int, where: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    report, _ = await look_at(api(headers={"date": date}))

    found = step(report, "clock")
    assert found["status"] == ("warn" if where else "pass")
    assert where in found["cause"]
    assert ("NTP" in found["remedy"]) == bool(where)
    assert report.as_dict()["status"] == found["status"]


async def test_a_date_that_is_none_says_nothing_of_the_clock() -> None:
    report, _ = await look_at(api(headers={"date": "soon"}))

    assert verdicts(report)["clock"] == "skip"


async def test_a_wrong_key() -> None:
    report, _ = await look_at(api(key="another"))

    found = step(report, "auth")
    assert (found["status"], found["code"]) == ("fail", "authentication_failed")
    assert "refused the API key" in found["cause"]
    assert (found["upstream_status"], found["upstream_message"]) == (401, "Incorrect API key provided.")
    assert verdicts(report)["http"] == "pass"
    assert report.as_dict()["failed_step"] == "auth"


async def test_an_account_is_told_apart_from_a_key() -> None:
    for status, body, code in (
        (402, b'{"error":{"message":"Pay.","code":"insufficient_credits"}}', "insufficient_credits"),
        (403, b'{"error":{"message":"No.","code":"unsupported_country_region_territory"}}', "region_not_allowed"),
        (429, b'{"error":{"message":"Quota.","code":"insufficient_quota"}}', "insufficient_credits"),
    ):
        report, _ = await look_at(fixed(status, body, "application/json"))

        assert (step(report, "auth")["status"], step(report, "auth")["code"]) == ("fail", code)


async def test_a_list_that_is_asked_for_too_often_says_nothing_of_the_key() -> None:
    busy = fixed(429, b'{"error":{"message":"Slow down.","code":"rate_limit_exceeded"}}', "application/json")
    report, _ = await look_at(busy)

    assert (step(report, "auth")["status"], report.as_dict()["status"]) == ("warn", "warn")
    assert "limiting requests" in step(report, "auth")["cause"]


async def test_a_list_that_breaks_off_is_no_wrong_address() -> None:
    async def play(exchange: Exchange) -> None:
        exchange.head(200, "application/json", length=100)
        await exchange.send(b'{"data": [')
        await exchange.drop()

    report, asked = await look_at(play)

    found = step(report, "http")
    assert (found["status"], found["code"]) == ("fail", "stream_interrupted")
    assert asked == ["GET /v1/models"]


async def test_a_list_that_checks_no_key_says_nothing_of_it() -> None:
    async with open_site(zen_like(key="another")) as site:
        report = await look(case(provider(site.url("/zen/v1"))))

    found = step(report, "auth")
    assert found["status"] == "warn"
    assert "does not check the key" in found["cause"]
    assert "--spend" in found["remedy"]
    assert report.failed is None


async def test_no_model_and_no_key() -> None:
    async with open_site(api()) as site:
        row = provider(site.url(), default_model=None)
        missing = KeyFound(source="", error=MissingCredential())
        report = await look(case(row, model=None, found=missing))

    found = verdicts(report)
    assert (found["key_stored"], found["http"], found["auth"], found["model"]) == ("fail", "pass", "skip", "skip")
    assert step(report, "key_stored")["code"] == "missing_credential"


async def test_a_provider_without_a_list_is_asked_all_the_same() -> None:
    async with open_site(api()) as site:
        row = provider(site.url(), models_list=None, models=("gpt-5-nano", "x"))
        there = await look(case(row))
        other = await look(case(row, model="unlisted"))

    assert (verdicts(there)["http"], verdicts(there)["auth"], verdicts(there)["model"]) == ("pass", "pass", "pass")
    assert verdicts(other)["model"] == "warn", "its list is only guessed"


async def test_a_service_that_has_no_list_is_no_wrong_address() -> None:
    async def play(exchange: Exchange) -> None:
        if exchange.recorded.method == "GET":
            await exchange.json(404, {"detail": "Not Found"})
        else:
            await exchange.json(422, {"detail": [{"loc": ["body", "model"], "msg": "Field required"}]})

    report, asked = await look_at(play)

    assert (verdicts(report)["http"], verdicts(report)["auth"]) == ("pass", "warn")
    assert "has no list of models (404)" in step(report, "http")["cause"]
    assert asked == ["GET /v1/models", "POST /v1/chat/completions"]


async def test_the_address_of_the_operator_is_not_shown_to_callers() -> None:
    elsewhere = fixed(307, b"", "text/plain", {"location": "https://inner.example/"})
    for play in (api(), fixed(404), elsewhere, api(root="")):
        async with open_site(play) as site:
            report = await look(case(provider(site.url()), shows_address=False), limits=QUICK)

        assert not [text for text in ("127.0.0.1", "inner.example") if text in str(report.as_dict())]


async def test_a_list_that_is_too_long_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_list, "BODY_LIMIT", 200)

    report, asked = await look_at(api(tuple(f"model-{number}" for number in range(20))))

    said = step(report, "http")
    assert (said["status"], "more than 200 bytes" in said["cause"]) == ("fail", True)
    assert "base URL" not in f"{said['cause']} {said['remedy']}"
    assert "api_base" not in said["remedy"]
    assert asked == ["GET /v1/models"], "no other address is tried"
