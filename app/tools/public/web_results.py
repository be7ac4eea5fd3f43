"""What the web says: SearXNG, a search service that an operator runs."""

import html
from typing import Any, Final, final

from app.cache import SharedCache
from app.tools.public.failure import PublicFailure
from app.tools.public.links import web_link
from app.tools.public.service import PublicService
from app.voyage.reading import mapping, one_line, sequence

MAX_QUERY_CHARS: Final = 400
MAX_RESULTS: Final = 5
MAX_KEPT: Final = 500
KEPT_S: Final = 900.0
_MAX_LOOKED_AT: Final = 100
_MAX_TITLE_CHARS: Final = 300
_MAX_SNIPPET_CHARS: Final = 1000


@final
class WebSearch:
    """Searches, and remembers what it found for everybody."""

    def __init__(self, service: PublicService, cache: SharedCache[str, tuple[dict[str, Any], ...]]) -> None:
        """Take the service, and where answers are kept; the cache stays its owner's."""
        self._service = service
        self._cache = cache

    async def find(self, query: str) -> tuple[dict[str, Any], ...]:
        """Give up to `MAX_RESULTS` of `{title, snippet, url}`; raises `PublicFailure` and `CacheClosed`."""
        return await self._cache.get(
            query.casefold(), lambda: self._ask(query), lambda found: KEPT_S if found else KEPT_S / 15
        )

    async def _ask(self, query: str) -> tuple[dict[str, Any], ...]:
        answer = mapping(await self._service.ask("/search", query={"q": query, "format": "json", "safesearch": "1"}))
        if not isinstance(answer.get("results"), list):
            raise PublicFailure(self._service.name, "unexpected_answer")
        found: dict[str, dict[str, Any]] = {}
        for row in sequence(answer["results"])[:_MAX_LOOKED_AT]:
            fields = mapping(row)
            link = web_link(fields.get("url"))
            if link is not None:
                title = _text(fields.get("title"), _MAX_TITLE_CHARS) or link
                snippet = _text(fields.get("content"), _MAX_SNIPPET_CHARS)
                found.setdefault(link, {"title": title, "snippet": snippet, "url": link})
        if not found and sequence(answer.get("unresponsive_engines")):
            # Every engine behind it failed: that is not the same as nothing found.
            raise PublicFailure(self._service.name, "overloaded")
        return tuple(found.values())[:MAX_RESULTS]


def _text(value: object, max_chars: int) -> str:
    line = one_line(value, max_chars) or ""
    return one_line(html.unescape(line), max_chars) or ""
