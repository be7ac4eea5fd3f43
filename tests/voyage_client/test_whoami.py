from collections.abc import AsyncGenerator
from typing import Any

import pytest

from app.secret import Secret
from app.voyage.away import VoyageAway
from app.voyage.client import VoyageClient
from app.voyage.whoami import VoyageUser, who_is
from tests.voyage.fake import SESSION, FakeVoyage, Trouble

UNKNOWN = Secret("u" * 32)


@pytest.fixture
async def voyage() -> AsyncGenerator[FakeVoyage]:
    async with FakeVoyage() as fake:
        yield fake


def session_json(user: Any = None, *, signed_in: Any = True) -> dict[str, Any]:
    return {"status": 200, "data": {"user": user}, "meta": {"is_authenticated": signed_in}}


async def asked(voyage: FakeVoyage, session: Secret = UNKNOWN) -> VoyageUser | None:
    async with VoyageClient(voyage.base_url) as client:
        return await who_is(client, session, known=False)


async def test_a_session_is_somebodys_or_nobodys(voyage: FakeVoyage) -> None:
    session = voyage.sign_in(7, "ada")

    assert await asked(voyage, Secret(session)) == VoyageUser(id="7")
    assert await asked(voyage) is None
    voyage.sign_out(session)
    assert await asked(voyage, Secret(session)) is None
    assert voyage.count(SESSION) == len(voyage.requests) == 3


async def test_gone_is_nobody_too(voyage: FakeVoyage) -> None:
    voyage.trouble = Trouble.json(session_json(signed_in=False), status=410)

    assert await asked(voyage) is None


@pytest.mark.parametrize(
    ("user", "known"),
    [
        ({"id": 1}, VoyageUser(id="1")),
        ({"id": 2**70 // 2**8, "username": "J. Núñez"}, VoyageUser(id=str(2**62))),
        ({"id": 3, "username": ["a\nb"]}, VoyageUser(id="3")),
    ],
)
async def test_the_id_decides_and_no_name(voyage: FakeVoyage, user: Any, known: VoyageUser) -> None:
    voyage.trouble = Trouble.json(session_json(user))

    assert await asked(voyage) == known


NO_IDS: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**63,
    1.0,
    "",
    "7",
    "alice",
    " 1",
    "1\n",
    "a\u202eb",
    "x" * 256,
    [1],
    {},
]
NO_TRUTHS: list[Any] = [False, None, "true", 1]


@pytest.mark.parametrize(
    "body",
    [
        session_json(None),
        session_json({}),
        session_json([{"id": 1}]),
        *(session_json({"id": value}) for value in NO_IDS),
        *(session_json({"id": 1}, signed_in=value) for value in NO_TRUTHS),
        {"data": {"user": {"id": 1}}},
        {"meta": {"is_authenticated": True}, "user": {"id": 1}},
        {"id": 1, "username": "ada"},
        [],
        None,
        "ada",
        1,
    ],
)
async def test_another_shape_is_neither(voyage: FakeVoyage, body: Any) -> None:
    voyage.trouble = Trouble.json(body)

    with pytest.raises(VoyageAway, match="unexpected_answer"):
        await asked(voyage)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, session_json({"id": 1}), "unexpected_answer"),
        (401, {"detail": "no"}, "unexpected_answer"),
        (401, [], "unexpected_answer"),
        (410, {}, "unexpected_answer"),
        (403, session_json(signed_in=False), "status_403"),
        (404, session_json(signed_in=False), "status_404"),
        (400, session_json({"id": 1}), "status_400"),
        (201, session_json({"id": 1}), "status_201"),
        (407, session_json(signed_in=False), "status_407"),
    ],
)
async def test_another_status_is_never_an_anonymous_caller(
    voyage: FakeVoyage, status: int, body: Any, reason: str
) -> None:
    voyage.trouble = Trouble.json(body, status=status)

    with pytest.raises(VoyageAway, match=f"^{reason}$"):
        await asked(voyage)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_the_page_of_a_proxy_is_never_an_anonymous_caller(voyage: FakeVoyage, status: int) -> None:
    voyage.trouble = Trouble.html(status)

    with pytest.raises(VoyageAway):
        await asked(voyage)
