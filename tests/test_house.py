"""What reviewers would otherwise repeat: sizes, a reason beside each exception to a rule, imports, globals."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "app").rglob("*.py"))
EVERYTHING = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "scripts").rglob("*.py"))]

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
LATE_IMPORTS = {
    "app/cli/__init__.py",  # starts in milliseconds
    "app/cli/common.py",  # see above
    "app/cli/doctor.py",  # see above
    "app/cli/keys.py",  # see above
    "app/cli/tokens.py",  # see above
    "app/cli/prompt.py",  # see above
    "app/cli/import_voyage.py",  # see above
    "app/db/upsert.py",  # the dialect that is not in use takes 4 MB
    "app/upgrade.py",  # alembic takes 10 MB
    "app/wakeups/choice.py",  # redis-py takes 7 MB
    "app/vault/ciphers.py",  # cryptography takes 8 MB
    "app/runs/tools/schema.py",  # jsonschema is wanted only where a tool is called
    "app/tool_sources.py",  # the tools on trips are wanted only with Voyage
    "app/tools/mcp/connection.py",  # mcp takes half a second
    "app/providers/litellm_loading.py",  # httpx is wanted only with litellm
    "app/providers/litellm_lane.py",  # litellm takes seconds
    "app/providers/litellm_setup.py",  # see above
}
WAIVER = re.compile(r"#\s*(?:noqa|pyright: ignore|type: ignore)(?P<rest>.*)$")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its signature and docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    begin = (first.end_lineno if documented else first.lineno - 1) or 0
    return (function.end_lineno or 0) - begin


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    long = {function.name: body_lines(function) for function in functions(ast.parse(text))}

    assert text.count("\n") <= MAX_FILE_LINES
    assert {function: lines for function, lines in long.items() if lines > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_a_waived_rule_says_why(path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        waiver = WAIVER.search(line)
        if waiver is None or '"' in waiver["rest"]:
            continue
        reason = re.split(r" - |\]\s*#", waiver["rest"], maxsplit=1)

        assert len(reason) == 2, f"{name(path)}:{number}: a reason is missing"
        assert reason[1].strip(), f"{name(path)}:{number}: a reason is missing"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_stand_at_the_top(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = [
        node.lineno
        for function in functions(tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert not late or name(path) in LATE_IMPORTS


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_there_are_no_mutable_globals(path: Path) -> None:
    """A module's list, dict or set is a constant: annotated `Final`, written in capitals, and never assigned again."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        assert not isinstance(node, ast.AugAssign), f"{name(path)}:{node.lineno}"
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
            final = isinstance(node, ast.AnnAssign) and "Final" in ast.unparse(node.annotation)
            dunder = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            assert final or dunder, f"{name(path)}:{node.lineno}"


def test_nothing_changes_a_global() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not isinstance(node, ast.Global), f"{name(path)}:{node.lineno}"
