"""The tool that looks something up on the web."""

from collections.abc import Mapping
from typing import Any, Final, final

from app.tools.public.answer import answered, failed
from app.tools.public.web_results import MAX_QUERY_CHARS, WebSearch
from app.tools.tool import Tool, ToolCaller, ToolResult
from app.voyage.reading import one_line

TOOL: Final = Tool(
    name="web_search",
    description=(
        "Look something up on the web: opening hours, prices, events, advice, news. Gives up to five pages, each with "
        "its title, an excerpt and its address."
    ),
    parameters={
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for, in a few words."},
            "location_context": {
                "type": "string",
                "description": "A town or region that the search is about, where the query does not name it.",
            },
        },
        "required": ["query"],
    },
)


@final
class SearchWeb:
    """Called with the arguments of `TOOL`."""

    def __init__(self, web: WebSearch) -> None:
        """Take who searches."""
        self._web = web

    async def __call__(self, arguments: Mapping[str, Any], caller: ToolCaller, seconds: float) -> ToolResult:
        """Give `{results}`, which is there also beside an `error`."""
        del caller
        return await answered(self._search(arguments), seconds, results=[])

    async def _search(self, arguments: Mapping[str, Any]) -> ToolResult:
        query = one_line(arguments.get("query"), MAX_QUERY_CHARS)
        if query is None:
            return failed("query is required", results=[])
        place = one_line(arguments.get("location_context"), MAX_QUERY_CHARS)
        found = await self._web.find(f"{query} {place}"[:MAX_QUERY_CHARS] if place else query)
        return ToolResult(value={"results": [dict(row) for row in found]})
