import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.caller import PERSON, Caller
from app.auth.dev import DEV_CALLER, DevAuthenticator
from app.auth.static_tokens import StaticTokens
from app.errors import NotAuthenticated
from app.secret import Secret

ADA, BOB = "a" * 40, "b" * 40
TOKENS = StaticTokens({"ada": Secret(ADA), "bob": Secret(BOB)})


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_token_is_its_owner(method: str) -> None:
    for scheme, token, owner in (("Bearer", ADA, "ada"), ("BEARER", BOB, "bob")):
        caller = await TOKENS.identify({"authorization": f"{scheme} {token}"}, method=method)
        assert caller == Caller(user_id=owner, method="static_token", scopes=PERSON, session=None)


@given(st.text(max_size=60))
async def test_nothing_else_is_anybody(value: str) -> None:
    for authorization in (value, f"Bearer {value}"):
        with pytest.raises(NotAuthenticated):
            await TOKENS.identify({"authorization": authorization}, method="GET")


@pytest.mark.parametrize("name", ["x-api-key", "x-user-id", "cookie", "x-session-token", "x-forwarded-user"])
async def test_no_other_header_names_a_caller(name: str) -> None:
    for value in ("ada", ADA, f"Bearer {ADA}"):
        with pytest.raises(NotAuthenticated):
            await TOKENS.identify({name: value}, method="GET")


async def test_without_tokens_nobody_is_known() -> None:
    with pytest.raises(NotAuthenticated):
        await StaticTokens({}).identify({"authorization": f"Bearer {ADA}"}, method="GET")


def test_no_token_is_kept_as_it_is() -> None:
    assert ADA not in repr(vars(TOKENS))


async def test_the_dev_mode_knows_one_caller() -> None:
    assert await DevAuthenticator().identify({"authorization": "Bearer whatever"}, method="POST") == DEV_CALLER
