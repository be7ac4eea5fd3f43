"""The requests are those of the real frontend, and its proxy's answers are too."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.upstream.server import refused_port
from tests.voyage.fake import METADATA, FakeVoyage, Trouble
from tests.voyage.frontend import Frontend
from tests.voyage.played_gateway import Play, PlayedGateway, json_answer, stream

ECHO = "/api/chat/echo"


@dataclass
class Stage:
    gateway: PlayedGateway
    voyage: FakeVoyage
    sessionid: str

    def frontend(self, **options: Any) -> Frontend:
        return Frontend(self.gateway.base_url, self.voyage.base_url, self.sessionid, **options)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with FakeVoyage() as voyage, PlayedGateway() as gateway:
        yield Stage(gateway, voyage, voyage.sign_in(7, "tia"))


@pytest.fixture
async def frontend(stage: Stage) -> AsyncIterator[Frontend]:
    async with stage.frontend() as browser:
        yield browser


async def test_a_get_loses_its_slash_and_carries_an_empty_csrf_cookie(stage: Stage, frontend: Frontend) -> None:
    await frontend.get(f"{ECHO}/?page=2")

    (headers,) = stage.gateway.headers
    assert stage.gateway.seen == [f"GET {ECHO}?page=2&format=json"]
    assert headers["cookie"] == f"sessionid={stage.sessionid}; colortheme=dark; csrftoken="
    assert headers["origin"] == "http://localhost:8015"
    assert headers["referer"].startswith(headers["origin"] + "/")
    assert (headers["accept"], headers["accept-encoding"]) == ("*/*", "gzip, deflate, br, zstd")
    assert headers["sec-fetch-site"] == "same-origin"
    assert not {"authorization", "x-csrftoken", "content-type", "x-forwarded-for"} & headers.keys()
    assert stage.voyage.requests == []


@pytest.mark.parametrize(
    ("method", "query"), [("POST", ""), ("PATCH", "?format=json"), ("PUT", "?format=json"), ("DELETE", "?format=json")]
)
async def test_a_change_keeps_its_slash_and_fetches_a_token_first(
    stage: Stage, frontend: Frontend, method: str, query: str
) -> None:
    await frontend.ask(method, f"{ECHO}/", {"a": "é"})

    (headers,) = stage.gateway.headers
    token = headers["x-csrftoken"]
    assert stage.gateway.seen == [f"{method} {ECHO}/{query}"]
    assert stage.gateway.bodies == ['{"a":"é"}'.encode()]
    assert len(token) == 64
    assert headers["cookie"] == f"sessionid={stage.sessionid}; colortheme=dark; csrftoken={token}"
    assert headers["content-type"] == "application/json"
    assert [(seen.path, seen.cookies) for seen in stage.voyage.requests] == [("/csrf/", {"sessionid": stage.sessionid})]


async def test_a_deletion_has_no_body_and_says_it_is_text(stage: Stage, frontend: Frontend) -> None:
    await frontend.delete(f"{ECHO}/")

    assert stage.gateway.bodies == [b""]
    assert stage.gateway.headers[0]["content-type"] == "text/plain;charset=UTF-8"


async def test_another_host_gets_the_session_twice(stage: Stage) -> None:
    async with stage.frontend(same_host=False) as frontend:
        await frontend.get(f"{ECHO}/")
        await frontend.post(f"{ECHO}/", {})

    session = f"sessionid={stage.sessionid}"
    read, change = stage.gateway.headers
    assert read["cookie"] == f"{session}; colortheme=dark; {session}"
    assert change["cookie"] == f"{session}; colortheme=dark; csrftoken={change['x-csrftoken']}; {session}"


async def test_a_server_load_sends_the_session_and_nothing_of_the_browser(stage: Stage, frontend: Frontend) -> None:
    await frontend.server_load(f"{ECHO}/")

    (headers,) = stage.gateway.headers
    assert stage.gateway.seen == [f"GET {ECHO}/"]
    assert (headers["cookie"], headers["user-agent"]) == (f"sessionid={stage.sessionid}", "node")
    assert not {"origin", "referer", "sec-fetch-site"} & headers.keys()


async def test_the_proxy_answers_itself_when_a_backend_is_away(stage: Stage, frontend: Frontend) -> None:
    stage.voyage.trouble = Trouble.status(500)
    untokened = await frontend.post(f"{ECHO}/", {})
    await stage.voyage.stop()
    unasked = await frontend.post(f"{ECHO}/", {})
    async with Frontend(f"http://127.0.0.1:{refused_port()}", stage.voyage.base_url, None) as lost:
        unanswered = await lost.get(f"{ECHO}/")

    assert (untokened.status, untokened.json()) == (400, {"error": "CSRF token is missing or invalid"})
    assert (unasked.status, unasked.json()) == (500, {"message": "Internal Error"})
    assert (unanswered.status, unanswered.json()) == (500, {"error": "Internal Server Error"})
    assert stage.gateway.seen == []


async def test_a_throttled_person_is_signed_out_by_the_hook(stage: Stage) -> None:
    async with stage.frontend(with_hook=True) as frontend:
        await frontend.get(f"{ECHO}/")
        stage.voyage.trouble = Trouble.throttled(path=METADATA)
        await frontend.get(f"{ECHO}/")

    assert [headers["cookie"] for headers in stage.gateway.headers] == [
        f"sessionid={stage.sessionid}; colortheme=dark; csrftoken=",
        "colortheme=dark; csrftoken=",
    ]


@pytest.mark.parametrize(
    "answer", [json_answer({}, 200, content_encoding="identity"), json_answer({}, 307, location=f"{ECHO}/")]
)
async def test_what_the_browser_could_not_read_fails(stage: Stage, frontend: Frontend, answer: Play) -> None:
    stage.gateway.answers = {f"GET {ECHO}": answer, f"GET {ECHO}/": answer}

    with pytest.raises(AssertionError):
        await frontend.get(f"{ECHO}/")
    with pytest.raises(AssertionError):
        await frontend.server_load(f"{ECHO}/")


async def test_cookies_pass_only_with_an_empty_answer(stage: Stage, frontend: Frontend) -> None:
    stage.gateway.answers = {
        f"GET {ECHO}": json_answer({}, 200, set_cookie="a=1"),
        f"DELETE {ECHO}/": json_answer({}, 204, set_cookie="a=1"),
    }

    kept, passed = await frontend.get(f"{ECHO}/"), await frontend.delete(f"{ECHO}/")

    assert ("set-cookie" in kept.headers, kept.set_cookies, passed.set_cookies) == (False, [], ["a=1"])


async def test_a_stream_arrives_before_its_end_and_must_be_one(stage: Stage, frontend: Frontend) -> None:
    going_on = asyncio.Event()

    async def end() -> None:
        await going_on.wait()

    stage.gateway.answers[f"POST {ECHO}/"] = stream("first", end=end)
    chunks = frontend.stream(f"{ECHO}/", {})

    assert await anext(chunks) == b'data: "first"\n\n'
    going_on.set()
    assert b"".join([chunk async for chunk in chunks]) == b"data: [DONE]\n\n"

    stage.gateway.play(f"POST {ECHO}/", {})
    with pytest.raises(AssertionError, match="hold this body back"):
        await anext(frontend.stream(f"{ECHO}/", {}))
