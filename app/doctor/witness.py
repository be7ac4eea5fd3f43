"""Sends through the transport and remembers the head of each answer: what the errors leave out."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

from app.errors import Origin
from app.providers.provider import Deadlines
from app.providers.transport import Sender, UpstreamResponse

_REDIRECTS: Final = range(300, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of one answer."""

    url: str
    status: int
    content_type: str
    location: str
    date: str

    @property
    def html(self) -> bool:
        """Whether it is a page for people."""
        return self.content_type in {"text/html", "application/xhtml+xml"}

    @property
    def json(self) -> bool:
        """Whether it is for programs."""
        return self.content_type == "application/json" or self.content_type.endswith("+json")

    @property
    def redirect(self) -> bool:
        """Whether it points elsewhere."""
        return self.status in _REDIRECTS

    @property
    def points_to(self) -> str:
        """Scheme, host and port that a redirect points to, without path and query, which may be secret; "" for none."""
        try:
            target = urlsplit(urljoin(self.url, self.location))
            port = f":{target.port}" if target.port is not None else ""
        except ValueError:
            return ""
        host = target.hostname or ""
        if not host.isascii() or not host.replace("-", "").replace(".", "").replace(":", "").isalnum():
            return ""
        return f"{target.scheme}://{f'[{host}]' if ':' in host else host}{port}"

    def sent_at(self) -> datetime | None:
        """Read the Date header (RFC 9110, section 6.6.1); None where there is none that can be read."""
        try:
            when = parsedate_to_datetime(self.date)
        except (ValueError, TypeError):
            return None
        return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


class Witness:
    """A `Sender` over another one."""

    def __init__(self, sender: Sender) -> None:
        """Send through `sender`."""
        self._sender = sender
        self.last: Head | None = None
        """The head of the last answer; None where the last request got none."""

    @asynccontextmanager
    async def request(  # noqa: PLR0913 - see Sender
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        deadlines: Deadlines,
        origin: Origin,
        guarded: bool = True,
    ) -> AsyncGenerator[UpstreamResponse]:
        """See `Sender`."""
        self.last = None
        async with self._sender.request(
            method, url, headers=headers, body=body, deadlines=deadlines, origin=origin, guarded=guarded
        ) as response:
            self.last = Head(
                url=url,
                status=response.status,
                content_type=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
                location=response.headers.get("location", ""),
                date=response.headers.get("date", ""),
            )
            yield response
