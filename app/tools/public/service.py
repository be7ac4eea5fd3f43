"""One public service: where it is, and how much it may be asked."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, final

import structlog

from app.tools.public.client import PublicClient, Question, Throttled
from app.tools.public.failure import PublicFailure
from app.tools.public.pace import Crowded, Pace, Resting

_LOG: Final[Any] = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a service wants to be asked, by this process as a whole."""

    seconds: float
    """What one request may take."""
    slots: int
    """How many requests may be under way at once."""
    interval_s: float
    """Between the starts of two requests."""
    waiting: int = 20
    """How many may wait for their turn; the next is refused at once."""
    wait_s: float = 20.0
    """How long one may wait for its turn."""
    max_bytes: int = 2_000_000


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time, in seconds and days."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    today: Callable[[], date] = _today
    """The day it is in UTC."""


@final
class PublicService:
    """Asks one service; nobody else asks it."""

    def __init__(
        self, name: str, base_url: str, manners: Manners, client: PublicClient, clock: Clock | None = None
    ) -> None:
        """Take the name that people read, and the address as the operator has set it."""
        clock = clock or Clock()
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._manners = manners
        self._client = client
        self._pace = Pace(
            slots=manners.slots,
            waiting=manners.waiting,
            interval_s=manners.interval_s,
            monotonic=clock.monotonic,
            sleep=clock.sleep,
        )

    async def ask(self, path: str, *, query: Mapping[str, str], form: Mapping[str, str] | None = None) -> object:
        """Give the JSON at `path`, which begins with a slash and comes from the code; raises `PublicFailure`."""
        question = Question(
            service=self.name,
            url=self._base_url + path,
            query=query,
            form=form,
            max_bytes=self._manners.max_bytes,
        )
        try:
            async with self._pace.turn(self._manners.wait_s):
                return await self._fetch(question)
        except Crowded:
            raise PublicFailure(self.name, "crowded") from None
        except Resting:
            raise PublicFailure(self.name, "throttled") from None

    async def _fetch(self, question: Question) -> object:
        try:
            return await self._client.fetch(question, seconds=self._manners.seconds)
        except Throttled as enough:
            self._pace.rest(enough.after_s)
            failure = PublicFailure(self.name, enough.reason)
        except PublicFailure as away:
            failure = away
        _LOG.warning("public_service_failed", service=self.name, reason=failure.reason)
        raise failure
