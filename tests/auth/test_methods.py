from collections.abc import AsyncGenerator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.caller import Caller
from app.auth.methods import Methods
from app.auth.service_tokens import KnownToken, ServiceTokens, digest_of, make_token
from app.auth.static_tokens import StaticTokens
from app.auth.voyage_session import VoyageSessions
from app.errors import ErrorBody, NotAuthenticated
from app.secret import Secret
from app.voyage.client import VoyageClient
from tests.voyage.fake import FakeVoyage

STATIC = "s" * 40
ID, _MADE = make_token()
SERVICE = _MADE.reveal()
SQL = [
    "' OR 1=1--",
    "' OR '1'='1",
    "'; DROP TABLE service_tokens;--",
    '" OR ""="',
    "x' UNION SELECT digest FROM service_tokens--",
    "' OR pg_sleep(5)--",
    "\\",
    "%",
    "_",
]


async def find(token_id: str) -> KnownToken | None:
    if token_id != ID:
        return None
    return KnownToken(
        id=ID,
        name="billing",
        user_id="service:billing",
        digest=digest_of(SERVICE),
        scopes=frozenset(),
        expires_at=None,
        revoked_at=None,
    )


class House:
    """All three ways in, and a session at Voyage."""

    def __init__(self, voyage: FakeVoyage, client: VoyageClient) -> None:
        self.voyage = voyage
        self.cookie = f"sessionid={voyage.sign_in(7, 'ada')}"
        self.voyage_session = VoyageSessions(client, trusted_origins=frozenset())
        self.service_tokens = ServiceTokens(find)
        self.static_tokens = StaticTokens({"bob": Secret(STATIC)})
        self.all = Methods(
            voyage_session=self.voyage_session, service_tokens=self.service_tokens, static_tokens=self.static_tokens
        )


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with FakeVoyage() as voyage, VoyageClient(voyage.base_url) as client:
        made = House(voyage, client)
        yield made
        await made.voyage_session.close()


async def refusal(methods: Methods, headers: Mapping[str, str], method: str = "GET") -> NotAuthenticated:
    with pytest.raises(NotAuthenticated) as refused:
        await methods.identify(headers, method=method)
    return refused.value


async def who(house: House, headers: Mapping[str, str]) -> tuple[str, str]:
    caller: Caller = await house.all.identify(headers, method="GET")
    return caller.method, caller.user_id


async def test_each_request_goes_the_way_that_it_uses(house: House) -> None:
    assert await who(house, {"authorization": f"Bearer {SERVICE}"}) == ("service_token", "service:billing")
    assert await who(house, {"authorization": f"bearer  {STATIC}"}) == ("static_token", "bob")
    assert await who(house, {"cookie": house.cookie}) == ("voyage_session", "7")


async def test_a_good_token_counts_before_the_cookie(house: House) -> None:
    for token, method in ((SERVICE, "service_token"), (STATIC, "static_token")):
        assert (await who(house, {"authorization": f"Bearer {token}", "cookie": house.cookie}))[0] == method
    assert house.voyage.requests == []


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "bearer nobody", "Bearer vgw_", f"BEARER {SERVICE}x", "Bearer\tvgw_x", "  Bearer x", *SQL],
    ids=range(7 + len(SQL)),  # one of them is random
)
async def test_a_bad_bearer_token_never_falls_back_to_the_cookie(house: House, authorization: str) -> None:
    value = authorization if authorization.strip().lower().startswith("bearer") else f"Bearer {authorization}"
    await refusal(house.all, {"authorization": value, "cookie": house.cookie})

    assert house.voyage.requests == []


@given(st.text(max_size=40))
async def test_no_text_after_bearer_lets_the_cookie_in(text: str) -> None:
    class NoOne:
        async def identify(self, headers: Mapping[str, str], *, method: str) -> Caller:  # noqa: ARG002 - the port
            raise NotAuthenticated

    class Anyone:
        async def identify(self, headers: Mapping[str, str], *, method: str) -> Caller:  # noqa: ARG002 - the port
            return Caller(user_id="7", method="voyage_session")

    methods = Methods(voyage_session=Anyone(), service_tokens=NoOne(), static_tokens=NoOne())
    for space in (" ", "\t", "  ", "\u00a0"):
        await refusal(methods, {"authorization": f"Bearer{space}{text}", "cookie": "sessionid=" + "a" * 32})


@pytest.mark.parametrize(
    "value",
    ["Basic c3RhZ2luZzpwdw==", "Digest username=x", "Token 0123", "", "Bearerx y", SERVICE],
    ids=range(6),  # one of them is random
)
async def test_another_scheme_is_no_token(house: House, value: str) -> None:
    assert await who(house, {"authorization": value, "cookie": house.cookie}) == ("voyage_session", "7")
    refused = await refusal(house.all, {"authorization": value})
    assert refused.message == "You are not signed in."


@pytest.mark.parametrize("name", ["x-api-key", "x-session-token", "proxy-authorization", "x-auth-token", "x-user-id"])
async def test_no_other_header_carries_anything(house: House, name: str) -> None:
    for value in (SERVICE, f"Bearer {SERVICE}", STATIC, house.cookie, house.cookie.partition("=")[2]):
        await refusal(house.all, {name: value})

    assert house.voyage.requests == []


async def test_sql_as_a_token_gets_the_answer_of_any_wrong_one(house: House) -> None:
    for prefix in ("", "vgw_"):
        usual = await refusal(house.all, {"authorization": f"Bearer {prefix}0000"})
        for text in SQL:
            refused = await refusal(house.all, {"authorization": f"Bearer {prefix}{text}"})
            assert ErrorBody(error=refused).as_dict() == ErrorBody(error=usual).as_dict()


async def test_a_way_that_is_off_says_which_are_on(house: House) -> None:
    only_voyage = Methods(voyage_session=house.voyage_session)
    for token, name in ((SERVICE, "Service"), (STATIC, "Static")):
        refused = await refusal(only_voyage, {"authorization": f"Bearer {token}", "cookie": house.cookie})
        assert refused.message == f"{name} tokens are switched off here."
        assert refused.action == "Sign in to Voyage."

    refused = await refusal(Methods(service_tokens=house.service_tokens), {"cookie": house.cookie})
    assert "Sessions of Voyage are switched off" in refused.message
    assert refused.action == "Send a service token (Authorization: Bearer vgw_...)."
    assert house.voyage.requests == []


async def test_a_request_that_uses_no_way_hears_of_all_that_are_on(house: House) -> None:
    for headers in ({}, {"cookie": "csrftoken="}, {"cookie": "sessionid="}):
        refused = await refusal(house.all, headers, "POST")
        assert refused.message == "You are not signed in."
        assert refused.action == (
            "Sign in to Voyage or send a service token (Authorization: Bearer vgw_...) "
            "or send a token of the operator (Authorization: Bearer ...)."
        )
    assert "GATEWAY_AUTH_METHODS" in (await refusal(Methods(), {"cookie": house.cookie})).action
