"""What an MCP server says of a call, as one JSON value."""

from typing import Any

import orjson

from app.tools.tool import ToolResult


def result_of(answer: Any) -> ToolResult:  # noqa: ANN401 - the library's, which is loaded late
    """Give the value of a call's answer: the structured one where there is one, else its texts.

    Django's server sends a list as one text for each item, and an empty one as none.
    """
    texts = [str(block.text) for block in answer.content if getattr(block, "type", "") == "text"]
    if answer.is_error:
        said = "\n".join(texts).strip() or "The tool failed."
        return ToolResult(value={"error": said}, failed=True)
    if answer.structured_content is not None:
        return ToolResult(value=answer.structured_content)
    others = [{"type": block.type} for block in answer.content if getattr(block, "type", "") != "text"]
    values = [*map(_json, texts), *others]
    return ToolResult(value=values[0] if len(values) == 1 else values)


def _json(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
