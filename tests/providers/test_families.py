"""Every model on the wire of its family, on every lane: what moves is learned once, what is refused has one error."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from app.config_file import ProviderTable
from app.providers.families import Families, KnownWire, WireSource
from app.providers.provider import Wire
from app.providers.registry import Registry, build_registry
from tests.providers.calls import Outcome, call, request_to
from tests.providers.lanes import LANES
from tests.providers.learned import Book
from tests.zen import GO, KEY, PATHS, ZEN, Zen
from tests.zen.server import error
from tests.zen.table import KEY_HEADERS

SESSION = "0b7f9c1e-0000-4000-8000-000000000001"
CHAT, RESPONSES, MESSAGES, GEMINI = (
    Wire.OPENAI_CHAT,
    Wire.OPENAI_RESPONSES,
    Wire.ANTHROPIC_MESSAGES,
    Wire.GEMINI,
)


class Asked:
    """A client of Zen, with what it was told about wires."""

    def __init__(self, client: Any, zen: Zen, book: Book, **table: Any) -> None:
        self.zen = zen
        self.book = book
        self.families = Families(client, book)
        self.told: list[Wire] = []
        self._table = table

    def registry(self, provider: str = "opencode_zen") -> Registry:
        return build_registry({provider: ProviderTable(api_base=self.zen.base_url, **self._table)})

    async def ask(
        self, model: str, *, key: str | None = KEY, provider: str = "opencode_zen", own: bool = True
    ) -> Outcome:
        """Make one call; the wires that were tried are in `told`."""
        self.told.clear()
        route = self.registry(provider).resolve(provider, model)
        request = request_to(route, key=key, session_id=SESSION, own_key=own, tools=())
        return await call(self.families, replace(request, on_wire=self.told.append))


@pytest.fixture(params=LANES)
async def client(request: pytest.FixtureRequest) -> AsyncGenerator[Any]:
    async with LANES[request.param]() as opened:
        yield opened


@pytest.fixture
async def zen() -> AsyncGenerator[Zen]:
    async with Zen() as running:
        yield running


@pytest.fixture
def asked(client: Any, zen: Zen) -> Asked:
    return Asked(client, zen, Book())


async def test_every_model_of_the_table_has_its_path_and_its_key_header(asked: Asked) -> None:
    for model, wire in ZEN.items():
        outcome = await asked.ask(model)

        got = asked.zen.calls[-1]
        assert (model, outcome.error, outcome.text) == (model, None, "Hello world")
        assert (model, got.path) == (model, "/zen/v1" + PATHS[wire].format(model=model))
        assert [name for name in set(KEY_HEADERS.values()) if name in got.headers] == [KEY_HEADERS[wire]]
        assert got.api_key == KEY
        assert got.headers["x-opencode-session"] == SESSION
        assert "accept-language" not in got.headers, "Zen would write its errors in that language"
        assert asked.told == [wire]
    assert len(asked.zen.calls) == len(ZEN)
    assert asked.book.wires == {}


async def test_go_has_a_table_of_its_own_and_needs_the_session(client: Any) -> None:
    async with Zen(GO, path="/zen/go/v1", needs_session=True) as zen:
        asked = Asked(client, zen, Book())
        for model, wire in GO.items():
            outcome = await asked.ask(model, provider="opencode_go")

            assert (model, outcome.error, outcome.text) == (model, None, "Hello world")
            assert zen.calls[-1].path == "/zen/go/v1" + PATHS[wire].format(model=model)


@pytest.mark.parametrize(
    ("model", "moved_to"),
    [
        ("grok-4.7", CHAT),
        ("deepseek-v4-flash", MESSAGES),
        ("qwen3.8-max", MESSAGES),
        ("qwen3.7-max", CHAT),
        ("claude-haiku-4-5", CHAT),
        ("gemini-3.8-flash", CHAT),
        ("gpt-5-nano", CHAT),
    ],
)
async def test_a_family_that_moved_is_learned_with_one_extra_call(asked: Asked, model: str, moved_to: Wire) -> None:
    asked.zen.move(model, moved_to)

    first = await asked.ask(model)
    told = list(asked.told)
    second = await asked.ask(model)

    assert (first.text, second.text, first.error, second.error) == ("Hello world", "Hello world", None, None)
    assert told == [ZEN[model], moved_to]
    assert asked.told == [moved_to]
    assert asked.zen.asked == [ZEN[model], moved_to, moved_to]
    assert (asked.book.wires, asked.book.written) == ({model: moved_to}, 1)


@pytest.mark.parametrize("model", ["minimax-m3", "claude-haiku-4-5", "gpt-6-luna", "gemini-3.1-pro"])
@pytest.mark.parametrize("moved_to", [CHAT, RESPONSES, MESSAGES, GEMINI])
async def test_wherever_it_moves_it_is_found(asked: Asked, model: str, moved_to: Wire) -> None:
    asked.zen.move(model, moved_to)

    assert (await asked.ask(model)).text == "Hello world"

    assert len(asked.zen.calls) == len(set(asked.zen.asked)) <= 4
    assert asked.zen.asked[-1] is moved_to


async def test_a_learned_wire_that_is_refused_is_unlearned(asked: Asked) -> None:
    asked.zen.move("grok-4.7", CHAT)
    await asked.ask("grok-4.7")
    asked.zen.move("grok-4.7", RESPONSES)

    back = await asked.ask("grok-4.7")

    assert (back.text, asked.told, asked.book.wires) == ("Hello world", [CHAT, RESPONSES], {})
    assert (await asked.ask("grok-4.7")).text == "Hello world"
    assert asked.told == [RESPONSES]
    asked.zen.move("grok-4.7", MESSAGES)
    assert (await asked.ask("grok-4.7")).text == "Hello world"
    assert asked.book.wires == {"grok-4.7": MESSAGES}


async def test_what_another_process_has_learned_is_tried_first(asked: Asked) -> None:
    asked.zen.move("minimax-m3", GEMINI)
    asked.book.elsewhere = {"minimax-m3": GEMINI}

    assert (await asked.ask("minimax-m3")).text == "Hello world"

    assert asked.told == [CHAT, GEMINI]


@pytest.mark.parametrize("own", [True, False])
async def test_a_model_that_no_wire_serves_has_one_error_after_one_try_each(asked: Asked, *, own: bool) -> None:
    asked.zen.move("glm-5", *())

    outcome = await asked.ask("glm-5", own=own)

    assert outcome.code == "endpoint_mismatch"
    assert outcome.error is not None
    assert outcome.error.origin.upstream_code == "ModelError"
    assert outcome.error.message.startswith("OpenCode Zen does not serve glm-5 on any of openai_chat, ")
    assert sorted(asked.zen.asked) == sorted([CHAT, RESPONSES, MESSAGES, GEMINI])
    assert asked.book.wires == {}


async def test_an_id_that_gemini_cannot_carry_is_not_tried_there(asked: Asked) -> None:
    asked.zen.wires["vendor/odd"] = frozenset()

    assert (await asked.ask("vendor/odd")).code == "endpoint_mismatch"

    assert sorted(asked.zen.asked) == sorted([CHAT, RESPONSES, MESSAGES])


async def test_the_operators_word_is_the_last(client: Any, zen: Zen) -> None:
    asked = Asked(client, zen, Book(), wires={"grok-*": "openai_chat", "grok-4.7": "anthropic_messages"})
    asked.book.wires = {"grok-4.6": RESPONSES, "grok-4.7": RESPONSES}
    zen.move("grok-4.6", CHAT)

    assert (await asked.ask("grok-4.6")).text == "Hello world"
    assert (await asked.ask("grok-4.7")).code == "endpoint_mismatch"

    assert zen.asked == [CHAT, MESSAGES]
    assert asked.book.asked == 0


async def test_a_provider_with_one_wire_is_not_looked_up(client: Any, zen: Zen) -> None:
    asked = Asked(client, zen, Book(), wire="openai_chat")

    assert (await asked.ask("kimi-k3")).text == "Hello world"
    assert (await asked.ask("grok-4.7")).code == "endpoint_mismatch"

    assert zen.asked == [CHAT, CHAT]
    assert asked.book.asked == 0


async def test_an_error_of_the_wire_that_serves_it_teaches_nothing(asked: Asked) -> None:
    asked.zen.move("grok-4.7", CHAT)
    asked.zen.refusal = error(401, "CreditsError", "Insufficient balance.")

    assert (await asked.ask("grok-4.7")).code == "insufficient_credits"

    assert (asked.told, asked.book.wires) == ([RESPONSES, CHAT], {})


BODIES = [
    (401, "AuthError", "Invalid API key.", None, "authentication_failed"),
    (401, "AuthError", "Missing API key.", None, "authentication_failed"),
    (401, "ModelError", "Model grok-4.7 is not supported", None, "model_not_found"),
    (401, "ModelError", "Model is disabled", None, "model_not_found"),
    (401, "ModelError", "No provider available", None, "model_not_found"),
    (401, "CreditsError", "Insufficient balance. Manage your billing here: x", None, "insufficient_credits"),
    (401, "CreditsError", "No payment method. Add a payment method here: x", None, "insufficient_credits"),
    (401, "MonthlyLimitError", "Your workspace has reached its monthly spending limit", None, "spend_limit_reached"),
    (401, "UserLimitError", "You have reached your monthly spending limit", None, "spend_limit_reached"),
    (403, "RegionError", "Not available in your region", None, "region_not_allowed"),
    (403, "FreeTierError", "OpenCode's free tier can only be used from within OpenCode", None, "free_tier_restricted"),
    (429, "RateLimitError", "Rate limit exceeded. Please try again later.", 7, "rate_limited"),
    (429, "FreeUsageLimitError", "Free usage exceeded", 1200, "quota_exhausted"),
    (429, "FreeUsageLimitError", "Free usage exceeded", 40000, "quota_exhausted"),
    (429, "GoUsageLimitError", "5 hour usage limit reached", 600, "quota_exhausted"),
    (429, "BlackUsageLimitError", "Usage limit reached", 600, "quota_exhausted"),
    (500, "error", "Internal server error", None, "provider_internal_error"),
    (400, "invalid_request_error", "Error from provider (Console): bad parameter", None, "invalid_request"),
    (400, "x", "Error from provider (A): maximum context length is 9 tokens", None, "context_length_exceeded"),
    (400, "x", "Error from provider (A): the model gone-1 does not exist", None, "model_not_found"),
    (400, "x", "Error from provider (A): Incorrect API key provided", None, "provider_internal_error"),
    (400, "x", "Error from provider (A): insufficient balance", None, "provider_internal_error"),
    (429, "insufficient_quota", "Error from provider (A): no quota", None, "provider_internal_error"),
    (429, "x", "Error from provider (A): daily quota exceeded", None, "rate_limited"),
]


@pytest.mark.parametrize(("status", "kind", "message", "after", "code"), BODIES)
async def test_each_error_body_has_its_own_code(
    asked: Asked, status: int, kind: str, message: str, after: int | None, code: str
) -> None:
    asked.zen.refusal = error(status, kind, message, after=after, workspace="wrk_1", limitName="5 hour")

    for model in ("grok-4.7", "claude-haiku-4-5", "gemini-3.8-flash", "kimi-k3"):
        outcome = await asked.ask(model)

        assert (model, outcome.code) == (model, code)
        assert outcome.error is not None
        assert outcome.error.retry_after_s == after
        assert asked.told == [ZEN[model]], "no other wire is tried"


async def test_a_bad_key_is_told_as_one_and_a_missing_model_is_not(asked: Asked) -> None:
    bad = await asked.ask("claude-haiku-4-5", key="zen-wrong-0123456789abcdef")
    gone = await asked.ask("claude-none", key="zen-wrong-0123456789abcdef")

    assert (bad.code, gone.code) == ("authentication_failed", "model_not_found")
    assert gone.error is not None
    assert gone.error.message == "OpenCode Zen does not offer claude-none to this account."


async def test_the_words_of_a_mismatch_elsewhere_are_no_mismatch(asked: Asked) -> None:
    for status, kind in ((400, "ModelError"), (401, "AuthError"), (401, "CreditsError"), (404, "ModelError")):
        asked.zen.refusal = error(status, kind, "Model grok-4.7 is not supported for format openai")

        outcome = await asked.ask("grok-4.7")

        assert (outcome.code, asked.told) != ("endpoint_mismatch", [RESPONSES])
        assert asked.told == [RESPONSES]


async def test_the_known_wires_say_who_says_so(client: Any, zen: Zen) -> None:
    asked = Asked(client, zen, Book(), wires={"big-pickle": "openai_responses"})
    zen.move("grok-4.7", CHAT)
    await asked.ask("grok-4.7")

    known = await asked.families.known(
        asked.registry().get("opencode_zen"), ["grok-4.7", "grok-4.6", "big-pickle", "claude-haiku-4-5"]
    )

    assert known == {
        "grok-4.7": KnownWire(CHAT, WireSource.LEARNED),
        "grok-4.6": KnownWire(RESPONSES, WireSource.CATALOG),
        "big-pickle": KnownWire(RESPONSES, WireSource.OPERATOR),
        "claude-haiku-4-5": KnownWire(MESSAGES, WireSource.CATALOG),
    }
    assert await asked.families.known(asked.registry().get("groq"), ["openai/gpt-oss-120b"]) == {}


async def test_a_reader_that_leaves_closes_the_call(asked: Asked) -> None:
    asked.zen.answer = replace(asked.zen.answer, texts=("a",) * 500, delay=0.05)
    request = request_to(asked.registry().resolve("opencode_zen", "kimi-k3"), key=KEY, tools=())

    async with asked.families.stream(request) as deltas:
        async for _ in deltas:
            break

    await asked.zen.upstream.until(lambda: asked.zen.calls[0].client_left)
