"""The page of docs/ on Voyage's chat tools."""
# ruff: noqa: INP001 - a script, no package

from collections.abc import Mapping
from typing import Any, Final

from app.tools.public import get_weather, search_places, web_search
from app.tools.tool import Tool
from app.tools.voyage.table import TRIP_TOOLS

_HEAD: Final = """\
# Voyage's fifteen chat tools

Made from `app/tools/` by `make docs`; edit that, not this page. This is what a model is told of each; what they give
and how they behave is in [tools.md](tools.md#voyages-chat-tools).
"""


def render_tools() -> str:
    """Give docs/voyage-tools.md."""
    public = (search_places.TOOL, get_weather.TOOL, web_search.TOOL)
    return _HEAD + "".join(_section(tool) for tool in (*public, *(one.tool for one in TRIP_TOOLS)))


def _section(tool: Tool) -> str:
    required: list[str] = tool.parameters.get("required", [])
    rows = "".join(
        f"| `{name}` | {_kind_of(schema)} | {'yes' if name in required else ''} | {schema.get('description', '')} |\n"
        for name, schema in tool.parameters["properties"].items()
    )
    table = f"\n| argument | type | required | |\n|---|---|---|---|\n{rows}" if rows else "\nNo arguments.\n"
    kind = "Changes something." if tool.writes else "Only reads."
    return f"\n## {tool.name}\n\n{kind} {tool.description}\n{table}"


def _kind_of(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    of = f" of {schema['items']['type']}" if "type" in schema.get("items", {}) else ""
    return f"{schema.get('type', 'any')}{of}"
