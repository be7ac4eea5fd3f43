"""JSON Schemas that are anybody's, calls as models make them, and results as tools give them."""

import asyncio
from typing import Any

import pytest

from app.entry import encode
from app.runs.tools.call import MAX_ID_CHARS, calls_of
from app.runs.tools.limits import ToolLimits
from app.runs.tools.schema import complaint
from app.runs.tools.told import told
from app.tool_events import ToolFinished
from app.tools.tool import ToolResult

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "kind": {"enum": ["a", "b"]}, "days": {"type": "array", "maxItems": 2}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"city": "Rome"}, None),
        ({}, "city is required"),
        ({"city": 3}, "city must be of type string"),
        ({"city": "Rome", "kind": "c"}, "kind must be one of ['a', 'b']"),
        ({"city": "Rome", "other": 1}, "the arguments has unknown names"),
        ({"city": "Rome", "days": [1, 2, 3]}, "days does not keep to maxItems"),
    ],
)
async def test_what_is_wrong_is_said_without_its_values(arguments: dict[str, Any], said: str | None) -> None:
    assert await complaint(CITY, arguments) == said


CHAIN: dict[str, Any] = {f"d{number}": {"allOf": [{"$ref": f"#/$defs/d{number + 1}"}] * 2} for number in range(23)}
COSTLY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "expressions for names": (
        {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
        {"a" * 40 + "!": 1},
    ),
    "unevaluated": ({"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False}, {"a" * 40 + "!": 1}),
    "an expression": ({"properties": {"x": {"pattern": "^(a+)+$"}}}, {"x": "a" * 40 + "!"}),
    "unique items": ({"properties": {"x": {"uniqueItems": True}}}, {"x": [{"n": n} for n in range(3000)]}),
    "a chain that doubles": ({"$ref": "#/$defs/d0", "$defs": CHAIN | {"d23": {}}}, {}),
    "a loop": ({"$ref": "#"}, {}),
    "somewhere else": ({"$ref": "http://127.0.0.1:9/schema"}, {}),
    "no schema": ({"type": "banana"}, {}),
}


@pytest.mark.parametrize("name", COSTLY)
async def test_a_costly_schema_takes_everything_and_makes_nobody_wait(name: str) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    task = asyncio.create_task(others())
    try:
        async with asyncio.timeout(5):
            assert await complaint(*COSTLY[name]) is None
    finally:
        task.cancel()
    assert turns > 0


async def test_a_long_complaint_is_cut() -> None:
    schema = {"properties": {"x": {"enum": ["y" * 1000] * 1000}}}
    assert len(await complaint(schema, {"x": 1}) or "") <= 300


def called(id_: str | None, arguments: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": "look", "arguments": arguments}}


def test_an_id_that_nobody_could_name_is_made_anew() -> None:
    (call,) = calls_of([called("x" * (MAX_ID_CHARS + 1), "{}")], ())
    (short,) = calls_of([called("x" * MAX_ID_CHARS, "{}")], ())
    assert len(call.id) == 9
    assert short.id == "x" * MAX_ID_CHARS


@pytest.mark.parametrize("depth", [200, 254, 255, 400, 1000, 2000])
def test_arguments_of_any_depth_are_written_or_are_none(depth: int) -> None:
    (call,) = calls_of([called("a", '{"a":' + "[" * depth + "]" * depth + "}")], ())
    assert call.arguments_text == ("{}" if call.arguments is None else '{"a":' + "[" * depth + "]" * depth + "}")


@pytest.mark.parametrize("depth", [100, 200, 204, 205, 254, 400, 2000])
def test_a_result_of_any_depth_fits_into_an_event_or_is_a_failure(depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    result = told(ToolResult(value=value), ToolLimits())
    event = ToolFinished(message_id="m", tool_call_id="a", name="n", outcome=result.status, result=result.result)
    assert encode(event, run_id="r", seq=1).data
    assert result.status == ("completed" if depth <= 204 else "failed")
    assert result.text == ("[" * depth + "1" + "]" * depth) or depth > 204
