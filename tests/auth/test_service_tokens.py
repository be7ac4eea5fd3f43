import string
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.auth.caller import PERSON, Caller, Scope
from app.auth.service_tokens import KnownToken, ServiceTokens, digest_of, is_printable, make_token, read_id
from app.errors import ErrorBody, Forbidden, GatewayError, InvalidInput, NotAuthenticated

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID, _SECRET = make_token()
TOKEN: Final = _SECRET.reveal()
BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
KNOWN: Final = KnownToken(
    id=ID,
    name="billing",
    user_id="service:billing",
    digest=digest_of(TOKEN),
    scopes=frozenset({Scope.CHAT}),
    expires_at=NOON,
    revoked_at=None,
)
ACTING: Final = replace(KNOWN, scopes=frozenset(Scope))
INJECTIONS: Final = (
    "' OR 1=1--",
    "' OR '1'='1",
    "'; DROP TABLE service_tokens;--",
    '" OR ""="',
    "vgw_' OR 1=1--_x_y",
    f"vgw_{ID}' OR '1'='1",
    "vgw_%%%%%%%%_%_%",
    "vgw_________________________________________________",
    "admin'/*",
    "1 UNION SELECT digest FROM service_tokens",
    "\\",
    "\x00",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "%s%s%n",
)


@dataclass
class Book:
    """Tokens in memory, at a time that stands still."""

    rows: dict[str, KnownToken] = field(default_factory=lambda: {ID: KNOWN})
    now: datetime = NOON - timedelta(microseconds=1)
    asked: list[str] = field(default_factory=list[str])

    async def find(self, token_id: str) -> KnownToken | None:
        self.asked.append(token_id)
        return self.rows.get(token_id)

    async def identify(self, authorization: str | None = f"Bearer {TOKEN}", **others: str) -> Caller:
        headers: Mapping[str, str] = {name.replace("_", "-"): value for name, value in others.items()}
        if authorization is not None:
            headers = {**headers, "authorization": authorization}
        return await ServiceTokens(self.find, lambda: self.now).identify(headers, method="POST")

    async def refusal(self, authorization: str = f"Bearer {TOKEN}", **others: str) -> GatewayError:
        with pytest.raises(GatewayError) as refused:
            await self.identify(authorization, **others)
        return refused.value


def bearer_with(secret: str, token_id: str = ID) -> str:
    """A well-formed token with a right checksum, as anybody can make one."""
    body = f"vgw_{token_id}_{secret}"
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return f"Bearer {body}_{digits}"


def answer(error: GatewayError) -> dict[str, Any]:
    return {"status": error.http_status} | ErrorBody(error=error, request_id="r").as_dict()


def test_a_token_has_the_documented_form_and_names_its_id() -> None:
    token_id, secret = make_token()
    prefix, middle, tail, checksum = secret.reveal().split("_")

    assert (prefix, middle) == ("vgw", token_id)
    assert (len(token_id), len(tail), len(checksum)) == (8, 32, 6)
    assert set(token_id + tail + checksum) <= set(BASE62)
    assert read_id(secret.reveal()) == token_id
    assert bearer_with(tail, token_id) == f"Bearer {secret.reveal()}"
    assert tail not in repr(secret)


def test_no_two_tokens_share_a_part() -> None:
    made = [make_token()[1].reveal().split("_") for _ in range(500)]

    assert len({parts[1] for parts in made}) == len({parts[2] for parts in made}) == 500


@given(st.text(BASE62, min_size=8, max_size=8), st.text(BASE62, min_size=32, max_size=32))
def test_every_id_and_secret_reads_back(token_id: str, secret: str) -> None:
    token = bearer_with(secret, token_id).removeprefix("Bearer ")

    assert len(token) == 52
    assert read_id(token) == token_id


@given(st.integers(0, len(TOKEN) - 1), st.one_of(st.sampled_from(BASE62), st.characters()))
def test_one_wrong_character_is_noticed(place: int, character: str) -> None:
    wrong = TOKEN[:place] + character + TOKEN[place + 1 :]
    if wrong == TOKEN:
        return
    with pytest.raises(NotAuthenticated) as refused:
        read_id(wrong)
    assert "mistyped" in refused.value.message
    assert wrong not in refused.value.sentence
    assert ID not in refused.value.sentence


@given(st.integers(0, len(TOKEN) - 2))
def test_swapped_neighbours_and_cut_ends_are_noticed(place: int) -> None:
    swapped = TOKEN[:place] + TOKEN[place + 1] + TOKEN[place] + TOKEN[place + 2 :]
    for wrong in {swapped, TOKEN[:place], TOKEN[place + 1 :], TOKEN + TOKEN[place]} - {TOKEN}:
        with pytest.raises(NotAuthenticated):
            read_id(wrong)


@given(st.text(max_size=80))
async def test_what_is_no_token_is_refused_without_asking_anybody(text: str) -> None:
    book = Book()

    for value in (text, f"Bearer {text}", f"Bearer vgw_{text}", f"Basic {TOKEN}", f"Bearer{TOKEN}"):
        assert isinstance(await book.refusal(value), NotAuthenticated)
    assert book.asked == []


@pytest.mark.parametrize("text", INJECTIONS, ids=range(len(INJECTIONS)))  # the texts have a random token in them
async def test_sql_as_a_token_is_a_mistyped_token(text: str) -> None:
    book = Book()
    usual = answer(await book.refusal("Bearer 0000"))

    assert answer(await book.refusal(f"Bearer {text}")) == usual
    assert book.asked == []
    assert usual["status"] == 401


@pytest.mark.parametrize("name", ["x_api_key", "cookie", "x_session_token", "proxy_authorization", "x_vgw_token"])
async def test_no_other_header_carries_a_token(name: str) -> None:
    with pytest.raises(NotAuthenticated):
        await Book().identify(None, **{name: f"Bearer {TOKEN}"})


async def test_a_token_is_its_user_with_its_scopes() -> None:
    book = Book()

    for value in (f"Bearer {TOKEN}", f"bearer  {TOKEN} "):
        assert await book.identify(value) == Caller(
            user_id="service:billing", method="service_token", scopes=frozenset({Scope.CHAT})
        )
    assert book.asked == [ID, ID]


async def test_an_unknown_id_and_a_wrong_secret_get_the_same_answer() -> None:
    book = Book()
    wrong_secret = answer(await book.refusal(bearer_with("x" * 32)))
    unknown = answer(await book.refusal(bearer_with("x" * 32, "x" * 8)))

    assert book.asked == [ID, "x" * 8]
    assert wrong_secret == unknown
    assert wrong_secret["status"] == 401


@pytest.mark.parametrize("digest", ["0" * 64, "", "é" * 64, TOKEN], ids=["zeros", "empty", "no-ascii", "token"])
async def test_no_stored_text_but_the_digest_lets_anybody_in(digest: str) -> None:
    book = Book({ID: replace(KNOWN, digest=digest)})

    assert isinstance(await book.refusal(), NotAuthenticated)


@pytest.mark.parametrize("change", [{"expires_at": NOON - timedelta(1)}, {"revoked_at": NOON}])
async def test_only_who_has_the_token_learns_that_it_has_ended(change: dict[str, datetime]) -> None:
    living = Book()
    ended = Book({ID: replace(KNOWN, **change)})
    wrong = bearer_with("x" * 32)

    assert answer(await ended.refusal(wrong)) == answer(await living.refusal(wrong))
    told = await ended.refusal()
    assert isinstance(told, NotAuthenticated)
    assert "expired" in told.message or "revoked" in told.message


async def test_a_token_ends_at_its_very_moment() -> None:
    book = Book(now=NOON - timedelta(microseconds=1))
    await book.identify()

    book.now = NOON
    assert "expired" in (await book.refusal()).message

    book.rows[ID] = replace(KNOWN, expires_at=None)
    book.now = datetime.max.replace(tzinfo=UTC)
    await book.identify()


async def test_a_revoked_token_is_refused_at_the_next_request() -> None:
    book = Book()
    await book.identify()

    book.rows[ID] = replace(KNOWN, revoked_at=NOON)

    assert "revoked" in (await book.refusal()).message


async def test_a_use_is_told_only_when_the_token_is_good() -> None:
    used: list[bool] = []
    book = Book({ID: replace(KNOWN, on_use=lambda: used.append(True))})

    await book.refusal(bearer_with("x" * 32))
    book.now = NOON
    await book.refusal()
    assert used == []

    book.now = NOON - timedelta(1)
    await book.identify()
    assert used == [True]


async def test_acting_for_a_user_needs_the_scope_and_is_audited() -> None:
    book = Book({ID: ACTING})
    with capture_logs() as lines:
        caller = await book.identify(x_on_behalf_of=" 42\t")

    assert caller == Caller(user_id="42", method="service_token", scopes=PERSON)
    assert lines == [
        {
            "event": "acted_on_behalf",
            "log_level": "info",
            "token_id": ID,
            "token_name": "billing",
            "user_id": "42",
        }
    ]


async def test_acting_gives_no_scope_that_the_token_has_not() -> None:
    book = Book({ID: replace(KNOWN, scopes=frozenset({Scope.SETTINGS, Scope.ACT_AS}))})

    assert (await book.identify(x_on_behalf_of="42")).scopes == {Scope.SETTINGS}


async def test_with_the_scope_and_without_the_header_it_is_its_own_user() -> None:
    with capture_logs() as lines:
        caller = await Book({ID: ACTING}).identify()

    assert (caller.user_id, caller.scopes) == ("service:billing", frozenset(Scope))
    assert lines == []


@pytest.mark.parametrize("value", ["42", "", "service:billing"])
async def test_without_the_scope_the_header_is_refused_and_not_ignored(value: str) -> None:
    with capture_logs() as lines:
        refused = await Book().refusal(x_on_behalf_of=value)

    assert isinstance(refused, Forbidden)
    assert "act_as" in refused.message
    assert lines == []


@pytest.mark.parametrize(
    "value", ["", "   ", "a" * 256, "4\x002", "a\tb", "a\u200bb", "a\u202eb", "\xff", "\ud800", "caf\xe9"]
)
async def test_a_header_that_names_nobody_is_invalid(value: str) -> None:
    with capture_logs() as lines:
        refused = await Book({ID: ACTING}).refusal(x_on_behalf_of=value)

    assert isinstance(refused, InvalidInput)
    assert list(refused.fields) == ["X-On-Behalf-Of"]
    assert lines == []


@pytest.mark.parametrize("user_id", ["a" * 255, "José Núñez", "7f1c8f0e-0000-4000-8000-000000000001", "東京"])
async def test_a_user_id_arrives_as_the_client_wrote_it(user_id: str) -> None:
    on_the_wire = user_id.encode().decode("latin-1")

    assert (await Book({ID: ACTING}).identify(x_on_behalf_of=on_the_wire)).user_id == user_id


@given(st.text(max_size=300))
def test_printable_texts_can_be_shown_on_one_line(text: str) -> None:
    if is_printable(text, 255):
        assert 1 <= len(text) <= 255
        assert len(text.splitlines()) == 1
        assert text.encode().decode() == text


def test_a_known_token_does_not_show_its_digest() -> None:
    assert KNOWN.digest not in repr(KNOWN)
