"""Whose session it is, asked at the endpoint of Voyage's sign-in page, which is not throttled as its other ones are."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from app.secret import Secret
from app.voyage.away import VoyageAway
from app.voyage.client import Asks, VoyageAnswer, VoyageClient
from app.voyage.reading import mapping

PATH: Final = "/auth/browser/v1/auth/session"
"""django-allauth, headless, client `browser`; with a slash at the end there is no such page."""
LARGEST_ID: Final = 2**63 - 1
"""Of PostgreSQL's bigint."""
_NOT_SIGNED_IN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.GONE})
"""Allauth's statuses for nobody and for a session that has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoyageUser:
    """An account of Voyage."""

    id: str
    """The number of the account, as text."""


async def who_is(client: VoyageClient, session: Secret, *, known: bool) -> VoyageUser | None:
    """Give whose session it is, None where Voyage says that it is nobody's.

    One that is `known`, because it was somebody's not long ago, waits for no new one. Raises `VoyageAway` for
    everything that says neither, as a proxy's page or a refusal of its own.
    """
    answer = await client.get(PATH, session, asks=Asks.KNOWN_SESSION if known else Asks.NEW_SESSION)
    signed_in = mapping(mapping(answer.data).get("meta")).get("is_authenticated")
    if answer.status == HTTPStatus.OK and signed_in is True:
        return _user(answer)
    if answer.status in _NOT_SIGNED_IN and signed_in is False:
        return None
    raise _unusable(answer)


def _user(answer: VoyageAnswer) -> VoyageUser:
    number = mapping(mapping(mapping(answer.data).get("data")).get("user")).get("id")
    # Only what Voyage numbers its accounts with: other ways to sign in have ids of other forms in the same place.
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= LARGEST_ID:
        raise _unusable(answer)
    return VoyageUser(id=str(number))


def _unusable(answer: VoyageAnswer) -> VoyageAway:
    known = answer.status == HTTPStatus.OK or answer.status in _NOT_SIGNED_IN
    return VoyageAway("unexpected_answer" if known else answer.status)
