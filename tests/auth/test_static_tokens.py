import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.caller import Caller
from app.auth.dev import DEV_CALLER, DevAuthenticator
from app.auth.static_tokens import StaticTokens
from app.errors import NotAuthenticated
from app.secret import Secret

ADA, BOB = "a" * 40, "b" * 40
TOKENS = StaticTokens({"ada": Secret(ADA), "bob": Secret(BOB)})


async def test_a_token_is_its_owner() -> None:
    assert await TOKENS.identify({"authorization": f"Bearer {ADA}"}) == Caller(user_id="ada", method="token")
    assert await TOKENS.identify({"authorization": f"BEARER {BOB}"}) == Caller(user_id="bob", method="token")


@given(st.text(max_size=60))
async def test_nothing_else_is_anybody(value: str) -> None:
    with pytest.raises(NotAuthenticated):
        await TOKENS.identify({"authorization": value})
    with pytest.raises(NotAuthenticated):
        await TOKENS.identify({"authorization": f"Bearer {value}"})


@pytest.mark.parametrize("name", ["x-api-key", "x-user-id", "cookie", "x-session-token", "x-forwarded-user"])
async def test_no_other_header_names_a_caller(name: str) -> None:
    for value in ("ada", ADA, f"Bearer {ADA}"):
        with pytest.raises(NotAuthenticated):
            await TOKENS.identify({name: value})


async def test_without_tokens_nobody_is_known() -> None:
    with pytest.raises(NotAuthenticated):
        await StaticTokens({}).identify({"authorization": f"Bearer {ADA}"})


def test_no_token_is_kept_as_it_is() -> None:
    assert ADA not in repr(vars(TOKENS))


async def test_the_dev_mode_knows_one_caller() -> None:
    assert await DevAuthenticator().identify({"authorization": "Bearer whatever"}) == DEV_CALLER
