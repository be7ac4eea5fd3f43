"""What breaks the Voyage UI, row by row, through its own proxy and pages: nothing of it may happen here."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, Final, NoReturn, cast
from uuid import UUID

import httpx
import pytest

from app.auth.voyage_session import VoyageSessions
from app.errors import AuthenticationFailed, InternalError, Origin
from app.events import FinishReason
from app.providers.model import Finish, ReasoningTextDelta, TextDelta, ToolCallPiece
from app.sse import DONE, frame
from tests.routers.drop_in import ADA, DropIn, open_drop_in
from tests.routers.gateway import API_KEY, UNKNOWN_ID
from tests.routers.operations import Operation, make_ids, operations
from tests.runs.scripted import STOP, Pause, Step, words
from tests.stream_check import parse
from tests.tool_results import TOOLS, WireEvent, store_tool_round, tool_result
from tests.voyage.fake import Trouble
from tests.voyage.frontend import EVENT_STREAM, Answer, Frontend
from tests.voyage_reader import VoyageReader, read_cut

CONVERSATIONS: Final = "/api/chat/conversations/"
PROVIDERS: Final = "/api/chat/providers/"
KEYS: Final = "/api/integrations/api-keys/"
AI_SETTINGS: Final = "/api/integrations/ai-settings/"
SUGGESTIONS: Final = "/api/chat/suggestions/day/"
PLACES: Final = words('{"suggestions":[{"name":"Ramiro","location":"Lisbon"}]}')
"""An answer to a message and to a wish for places."""
REFUSED: Final = AuthenticationFailed(origin=Origin(provider="local", label="Local"))
VOYAGES_PROVIDERS: Final = (
    "openai",
    "anthropic",
    "gemini",
    "ollama",
    "groq",
    "mistral",
    "github_models",
    "openrouter",
    "opencode_zen",
)
CHANGES: Final = ("PUT", "PATCH", "DELETE")


@pytest.fixture
async def drop_in(database_url: str) -> AsyncGenerator[DropIn]:
    async with open_drop_in(database_url, PLACES) as opened:
        yield opened


class Everything:
    """Every operation of the API, asked through the proxy, about Ada's own things."""

    def __init__(self, drop_in: DropIn, document: dict[str, Any], ids: dict[str, str]) -> None:
        self.drop_in = drop_in
        self.ids = {"provider_id": "local"} | ids
        self.trip = drop_in.voyage.add_trip(ADA)
        # What deletes comes last, and what changes a thing before what makes another one in its place.
        order = sorted(operations(document), key=lambda asked: (asked.method == "DELETE", not asked.ids, asked.path))
        self.operations = order

    def path(self, operation: Operation) -> str:
        return operation.path.format_map(self.ids)

    async def ask(self, operation: Operation, frontend: Frontend | None = None) -> Answer:
        """Ask as Ada, or as another."""
        body = {**operation.body, "collection_id": self.trip} if operation.path == SUGGESTIONS else operation.body
        return await (frontend or self.drop_in.ada).ask(operation.method, self.path(operation), body)


@pytest.fixture
async def everything(drop_in: DropIn) -> Everything:
    document = (await drop_in.gateway.nobody.get("/openapi.json")).json()
    ids = await make_ids(drop_in.gateway, cast("httpx.AsyncClient", drop_in.ada))
    return Everything(drop_in, document, ids)


def sentence(answer: Answer) -> str:
    """Give what the UI shows of a refusal."""
    assert answer.headers["content-type"] == "application/json", answer.text
    error: object = answer.json()["error"]
    assert isinstance(error, str), f"error is no text: {error!r}"
    assert error.strip(), "error is empty"
    return error


async def test_row_1_a_get_without_slash_and_with_format_is_answered_without_redirect(everything: Everything) -> None:
    """`Frontend` takes the slash off as the proxy does, and fails on a redirect."""
    methods: set[str] = set()
    for operation in everything.operations:
        methods.add(operation.method)
        answer = await everything.ask(operation)
        assert answer.ok, (operation.name, answer.status, answer.text)
        if operation.method == "GET":
            slashed = await everything.drop_in.ada.server_load(everything.path(operation))
            assert (slashed.status, slashed.body) == (answer.status, answer.body), operation.name

    assert methods == {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert len(everything.operations) >= 20


async def test_row_2_nothing_is_compressed(everything: Everything) -> None:
    """`Frontend` offers gzip, deflate, br and zstd, as browser and node do, and fails on a Content-Encoding."""
    drop_in = everything.drop_in
    page = await drop_in.chat(storage={"voyage_active_conversation": everything.ids["conversation_id"]})
    await page.send("x" * 50_000)
    largest = 0
    for operation in everything.operations:
        for frontend in (drop_in.nobody, drop_in.bob, drop_in.ada):
            answer = await everything.ask(operation, frontend)
            assert "content-encoding" not in answer.headers, operation.name
            largest = max(largest, len(answer.body))

    assert largest > 50_000, "nothing here was worth compressing"


async def test_row_3_events_are_single_data_lines_with_a_space_and_end_in_a_blank_line(drop_in: DropIn) -> None:
    body = (await send(drop_in)).body

    assert body.endswith(b"\n\n")
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n")]
    data = [line for line in lines if line.startswith(b"data:")]
    assert len(data) == len(parse(body)) >= 4
    assert all(isinstance(json.loads(line.removeprefix(b"data: ")), dict) for line in data[:-1])
    assert data[-1] == b"data: [DONE]"
    assert all(line.startswith((b"data: {", b"data: [DONE]", b"id: ", b"event: ", b":")) for line in lines if line)
    # The two forms that readers of lines know show the same.
    for form in (body, body.replace(b"\n", b"\r\n")):
        assert read_cut(form, 1).bubble == "".join(text for text in texts(body))


async def test_row_4_error_is_always_a_text_that_says_something(everything: Everything) -> None:
    drop_in, said = everything.drop_in, set[tuple[int, str]]()
    for operation in everything.operations:
        anonymous = await everything.ask(operation, drop_in.nobody)
        said.add((anonymous.status, sentence(anonymous)))
        if operation.ids & set(everything.ids):
            foreign = await everything.ask(operation, drop_in.bob)
            if not foreign.ok:
                said.add((foreign.status, sentence(foreign)))
        for wrong in ([1], {"": None}, {"message": 7}) if operation.body is not None else ():
            invalid = await drop_in.ada.ask(operation.method, everything.path(operation), wrong)
            if not invalid.ok:
                said.add((invalid.status, sentence(invalid)))
        other = await drop_in.ada.ask("PATCH" if operation.method == "POST" else "POST", everything.path(operation), {})
        if not other.ok:
            said.add((other.status, sentence(other)))
    drop_in.voyage.trouble = Trouble.status(500)
    drop_in.ada.sessionid = drop_in.voyage.sign_in(ADA)
    away = await drop_in.ada.get(CONVERSATIONS)

    assert {status for status, _ in said} == {400, 401, 404, 405}
    assert (away.status, sentence(away)) == (503, "Your sign-in cannot be checked right now. Try again in a moment.")


async def test_row_4_error_is_a_text_in_a_stream_too(database_url: str) -> None:
    async with open_drop_in(database_url, [TextDelta("Half"), REFUSED], [REFUSED]) as drop_in:
        page = await drop_in.chat()

        shown = [await page.send("Where to?") for _ in range(2)]

    assert shown == [f"Half\n\n⚠ {REFUSED.sentence}", REFUSED.sentence]


async def test_row_5_nothing_but_done_follows_an_error(database_url: str) -> None:
    async with open_drop_in(database_url, [TextDelta("Half"), REFUSED], ping_seconds=0.02) as drop_in:
        body = (await send(drop_in)).body

    _, error, rest = body.rpartition(b'"error":')
    assert error
    assert rest[rest.index(b"\n\n") :] == b"\n\ndata: [DONE]\n\n"
    # Fed in any chunks, text that came later would overwrite the error.
    assert {read_cut(body, size).bubble for size in (1, 100, len(body))} == {f"Half\n\n⚠ {REFUSED.sentence}"}


async def test_row_6_the_body_ends_with_done(database_url: str) -> None:
    """The spinner turns until then: a body that is held open would make the person wait."""
    scripts: list[list[Step]] = [
        words("Lisbon"),
        [TextDelta("Half"), REFUSED],
        [REFUSED],
        [TextDelta("Long"), Finish(FinishReason.LENGTH)],
    ]
    async with open_drop_in(database_url, *scripts) as drop_in:
        for _ in scripts:
            body, chunks = b"", drop_in.ada.stream(await send_path(drop_in), {"message": "Where to?"})
            while not body.endswith(b"data: [DONE]\n\n"):
                body += await anext(chunks)

            async with asyncio.timeout(1):
                assert [chunk async for chunk in chunks] == []


async def test_row_7_the_content_type_lets_the_proxy_pass_the_stream_on(database_url: str) -> None:
    """Anything else than an event stream is held back by the proxy until it is whole."""
    pause = Pause()
    async with (
        open_drop_in(database_url, [TextDelta("Lisbon"), pause, STOP]) as drop_in,
        asyncio.timeout(10),
        drop_in.ada.open("POST", await send_path(drop_in), {"message": "Where to?"}) as answer,
    ):
        assert (answer.status, EVENT_STREAM in answer.headers["content-type"]) == (200, True)
        reader, chunks = VoyageReader(), answer.chunks()
        while reader.bubble != "Lisbon":
            reader.feed(await anext(chunks))
        assert not pause.release.is_set()
        pause.release.set()
        assert b"".join([chunk async for chunk in chunks]).endswith(b"data: [DONE]\n\n")


async def test_row_8_content_is_always_a_text(database_url: str) -> None:
    """The UI appends whatever is there: null would be read as a text."""
    call = ToolCallPiece(0, "call_a", "get_weather", "{}")
    script: list[Step] = [ReasoningTextDelta("Hm."), call, Finish(FinishReason.LENGTH)]
    async with open_drop_in(database_url, script, [REFUSED], words("Lisbon")) as drop_in:
        page = await drop_in.chat()
        shown = [await page.send(text) for text in ("One", "Two", "Three")]
        answer = await drop_in.ada.get(f"{CONVERSATIONS}{page.selected}/")

    assert shown == ["", REFUSED.sentence, "Lisbon "]
    contents = [message["content"] for message in answer.json()["messages"]]
    assert contents == ["One", "", "Two", REFUSED.sentence, "Three", "Lisbon "]


async def test_row_9_providers_are_a_bare_array_with_all_eight_fields(drop_in: DropIn) -> None:
    await drop_in.ada.post(KEYS, {"provider": "openai", "api_key": API_KEY})

    listed = (await drop_in.ada.get(PROVIDERS)).json()

    assert isinstance(listed, list)
    texts_or_null = {str, type(None)}
    types: dict[str, set[type]] = {
        "id": {str},
        "label": {str},
        "available_for_chat": {bool},
        "needs_api_key": {bool, type(None)},
        "default_model": texts_or_null,
        "api_base": texts_or_null,
        "instance_configured": {bool},
        "user_configured": {bool},
    }
    entries = cast("list[dict[str, Any]]", listed)
    for entry in entries:
        assert entry.keys() == types.keys()
        assert {name for name, value in entry.items() if type(value) not in types[name]} == set(), entry
    assert [entry["id"] for entry in (await drop_in.chat()).providers] == ["openai", "local"]
    assert {entry["id"] for entry in entries} >= set(VOYAGES_PROVIDERS)


async def test_row_10_ai_settings_are_an_array_and_saving_them_is_200(drop_in: DropIn) -> None:
    before = await drop_in.ada.get(AI_SETTINGS)
    saved = await drop_in.ada.post(AI_SETTINGS, {"preferred_provider": "local", "preferred_model": None})
    again = await drop_in.ada.post(AI_SETTINGS, {"preferred_model": "local-2"})
    after = await drop_in.ada.get(AI_SETTINGS)

    assert (before.status, before.json()) == (200, [])
    assert (saved.status, again.status, after.status) == (200, 200, 200)
    assert after.json() == [again.json()]
    assert (again.json()["preferred_provider"], again.json()["preferred_model"]) == ("local", "local-2")
    assert (await drop_in.settings(drop_in.bob)).default_provider == ""


async def test_row_11_a_new_conversation_has_an_id(drop_in: DropIn) -> None:
    for body, title in [({}, ""), (None, ""), ({"title": " Porto "}, "Porto")]:
        created = await drop_in.ada.post(CONVERSATIONS, body)

        assert (created.status, created.json()["title"]) == (201, title)
        assert (await drop_in.ada.get(f"{CONVERSATIONS}{created.json()['id']}/")).json() == created.json()


async def test_row_12_a_deletion_is_an_empty_204(everything: Everything) -> None:
    deletions = [operation for operation in everything.operations if operation.method == "DELETE"]
    for operation in deletions:
        answer = await everything.ask(operation)
        assert (answer.status, answer.body) == (204, b""), operation.name
        assert (await everything.ask(operation)).status == 404
    assert len(deletions) == 3


def test_row_13_a_tool_result_in_the_stream_keeps_its_name() -> None:
    """Holds the frame and Voyage's reader of it: a result passes both as it was given, however the bytes are cut.

    The gateway sends none yet, so whether a name is one that Voyage's chat draws is for the test that runs a tool.
    """
    sent = [tool_result(name) for name in TOOLS]
    events = (WireEvent(n, "tool.result", run_id=UNKNOWN_ID, tool_result=one) for n, one in enumerate(sent, start=1))
    body = b"".join(frame(event, UNKNOWN_ID) for event in events) + DONE

    assert read_cut(body, 1).tool_results == read_cut(body, len(body)).tool_results == sent


async def test_row_13_a_stored_tool_result_is_shown_with_its_name_after_a_reload(drop_in: DropIn) -> None:
    page = await drop_in.chat()
    id_ = await page.new_conversation()
    await store_tool_round(drop_in.gateway.services.database, UUID(id_), TOOLS)

    reloaded = await drop_in.chat(storage=page.storage)

    assert [(bubble.role, bubble.text) for bubble in reloaded.bubbles] == [("user", "Hi"), ("assistant", "")]
    expected = [{"name": name, "result": tool_result(name)["result"]} for name in TOOLS]
    assert reloaded.bubbles[-1].tool_results == expected
    # And the model is told of them when the conversation goes on.
    await reloaded.send("And now?")
    told = drop_in.gateway.model.requests[-1].messages
    assert [message.name for message in told if message.role == "tool"] == list(TOOLS)


async def test_row_14_without_an_encryption_key_the_settings_page_has_its_banner(database_url: str) -> None:
    async with open_drop_in(database_url, credential_keys=None) as drop_in:
        page = await drop_in.settings()
        banner = page.banner
        saved = await page.save_key(API_KEY, "openai")
        path = f"{KEYS}{UNKNOWN_ID}/"
        for method, asked in (("GET", KEYS), ("POST", KEYS), *((method, path) for method in CHANGES), ("GET", path)):
            for frontend in (drop_in.ada, drop_in.nobody):
                answer = await frontend.ask(method, asked, {})
                assert (answer.status, answer.json()["detail"]) == (503, banner), (method, asked)

    assert (saved, page.banner) == (False, banner)
    assert (banner or "").startswith("FIELD_ENCRYPTION_KEY is not configured. API key storage is unavailable.")


async def test_row_15_an_empty_csrf_cookie_is_read(drop_in: DropIn) -> None:
    """The frontend's hook empties it, for GET requests; the cookies beside it must still count."""
    session = f"sessionid={drop_in.ada.sessionid}"
    for cookie in (
        f"{session}; csrftoken=",
        f"csrftoken=; {session}",
        f"{session}; csrftoken=; colortheme=dark; locale=en",
        f"csrftoken=;{session}",
    ):
        response = await drop_in.gateway.nobody.get(CONVERSATIONS, headers={"Cookie": cookie})
        assert (response.status_code, response.json()) == (200, []), cookie


async def test_row_16_an_unhandled_exception_is_json_with_an_error(
    everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> NoReturn:
        raise KeyError("what nobody should read")  # noqa: TRY003, EM101 - a bug as they come

    monkeypatch.setattr(VoyageSessions, "identify", fail)
    for operation in everything.operations:
        answer = await everything.ask(operation)
        assert (answer.status, sentence(answer)) == (500, InternalError().sentence), operation.name


async def test_row_16_an_unhandled_exception_in_a_stream_is_an_error_and_done(database_url: str) -> None:
    async with open_drop_in(database_url, [TextDelta("Half"), KeyError("unread")], words("Lisbon")) as drop_in:
        page = await drop_in.chat()

        assert await page.send("Where to?") == f"Half\n\n⚠ {InternalError().sentence}"
        assert await page.send("Where to?") == "Lisbon "


# Row 17, `crypto.randomUUID` and session cookies on https or localhost only, is between the browser and the frontend.


async def send_path(drop_in: DropIn) -> str:
    created = await drop_in.ada.post(CONVERSATIONS, {})
    return f"{CONVERSATIONS}{created.json()['id']}/send_message/"


async def send(drop_in: DropIn) -> Answer:
    answer = await drop_in.ada.post(await send_path(drop_in), {"message": "Where to?"})
    assert answer.ok, answer.text
    return answer


def texts(body: bytes) -> list[str]:
    return [json.loads(block.value("data")).get("content", "") for block in parse(body)[:-1]]
