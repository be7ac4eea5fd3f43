"""Models whose fields are described by the docstrings below them, in the schema of the API."""

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import override


class Described(BaseModel):
    """A model that reads the docstrings when somebody asks for its schema.

    pydantic's own `use_attribute_docstrings` does it for each class when it is made: at a start, 100 ms for what few
    starts ever show.
    """

    @classmethod
    @override
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties: dict[str, dict[str, Any]] = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in _docstrings(cls).items():
            field = cls.model_fields[name]
            if field.description is None:
                properties[field.alias or name]["description"] = text
        return schema


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Give the docstrings by the names of their fields, those of the bases included."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, Described) and part is not Described:
            found |= _own_docstrings(part)
    return {name: text for name, text in found.items() if name in model.model_fields}


def _own_docstrings(model: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    lines = tree.body if isinstance(tree, ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(lines)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
