"""Statements that are run many times a second: compiled once, and given to SQLite without a library in between.

Such a statement is a constant, marked by `direct`. Everywhere but in a job on SQLite (`app.db.visit`) the mark means
nothing. See `docs/decisions/0034`.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast, final

from sqlalchemy import Dialect, Executable, inspect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert
from sqlalchemy.types import TypeEngine

_MARK: Final = "gateway_direct"
Parameters = Mapping[str, Any]
Statement = TypeVar("Statement", bound=Executable)
_Convert = Callable[[Any], Any] | None


def direct(statement: Statement) -> Statement:
    """Mark a statement that lives as long as the process; it gives columns, or one entity that is only read."""
    return statement.execution_options(**{_MARK: True})


def is_direct(statement: Executable) -> bool:
    """Tell whether it is marked so."""
    return _MARK in statement.get_execution_options()


@final
class DirectResult:
    """The rows of a statement; has of SQLAlchemy's results what the queries use."""

    def __init__(self, rows: Sequence[Any], rowcount: int) -> None:
        """Take the rows, and how many a change has struck."""
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> Sequence[Any]:
        """Give every row."""
        return self._rows

    def scalars(self) -> "DirectResult":
        """Give the first column of each row; an entity is a column."""
        return DirectResult([row[0] if isinstance(row, tuple) else row for row in self._rows], self.rowcount)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One statement for one set of parameters."""

    sql: str
    binds: Sequence[tuple[str, Any, _Convert]]
    """The name, the value where none is given, and what makes of a value what SQLite takes."""
    columns: Sequence[_Convert]
    row: Callable[..., Any]

    def values(self, parameters: Parameters) -> list[Any]:
        found = ((parameters.get(name, value), convert) for name, value, convert in self.binds)
        return [value if convert is None or value is None else convert(value) for value, convert in found]

    def give(self, row: Sequence[Any]) -> Any:  # noqa: ANN401 - whatever the statement selects
        return self.row(
            *(value if convert is None else convert(value) for value, convert in zip(row, self.columns, strict=True))
        )


@final
class DirectStatements:
    """What has been compiled so far; for one thread."""

    def __init__(self, dialect: Dialect) -> None:
        """Take the dialect of the engine, which knows how JSON is written."""
        self._dialect = dialect
        self._known: dict[tuple[int, tuple[str, ...]], tuple[Executable, _Compiled]] = {}

    def run(
        self, connection: sqlite3.Connection, statement: Executable, parameters: Parameters | Sequence[Parameters]
    ) -> DirectResult:
        """Run a marked statement in the transaction that is open; raises what the driver raises."""
        several: Sequence[Parameters] = () if isinstance(parameters, Mapping) else parameters
        result = DirectResult((), 0)
        for one in several or (cast("Parameters", parameters),):
            result = self._run(connection, statement, one)
        return result

    def _run(self, connection: sqlite3.Connection, statement: Executable, parameters: Parameters) -> DirectResult:
        compiled = self._compiled(statement, parameters)
        cursor = connection.execute(compiled.sql, compiled.values(parameters))
        rows = [compiled.give(row) for row in cursor] if compiled.columns else ()
        return DirectResult(rows, cursor.rowcount)

    def _compiled(self, statement: Executable, parameters: Parameters) -> _Compiled:
        names = tuple(parameters) if isinstance(statement, Insert) else ()
        # The statement is kept with it: its id is its own for as long as it lives.
        known = self._known.get((id(statement), names))
        if known is None:
            known = self._known[id(statement), names] = (statement, self._compile(statement, names))
        return known[1]

    def _compile(self, statement: Executable, names: Sequence[str]) -> _Compiled:
        whole: Any = statement
        compiled: SQLCompiler = whole.compile(dialect=self._dialect, column_keys=list(names) or None)
        binds = [(name, compiled.binds[name]) for name in compiled.positiontup or ()]
        returned: Sequence[Any] = tuple(getattr(whole, "selected_columns", ())) or tuple(
            getattr(whole, "exported_columns", ())
        )
        return _Compiled(
            sql=compiled.string,
            binds=[(name, bind.value, self._to_sqlite(bind.type)) for name, bind in binds],
            columns=[self._from_sqlite(column.type) for column in returned],
            row=_row_of(whole, [column.key for column in returned]),
        )

    def _to_sqlite(self, kind: TypeEngine[Any]) -> _Convert:
        return kind.dialect_impl(self._dialect).bind_processor(self._dialect)

    def _from_sqlite(self, kind: TypeEngine[Any]) -> _Convert:
        return kind.dialect_impl(self._dialect).result_processor(self._dialect, None)


def _row_of(statement: Any, names: Sequence[str]) -> Callable[..., Any]:  # noqa: ANN401 - a select, or a change
    """Give what makes of the values of a row what the statement gives: an entity, or the row itself."""
    described: Sequence[Mapping[str, Any]] = getattr(statement, "column_descriptions", ())
    if len(described) == 1 and described[0]["expr"] is described[0]["entity"] is not None:
        entity: Any = described[0]["entity"]
        attributes = [inspect(entity).get_property_by_column(entity.__table__.c[name]).key for name in names]
        return lambda *values: entity(**dict(zip(attributes, values, strict=True)))
    return namedtuple("Row", names)  # noqa: PYI024 - its fields are known only here  # pyright: ignore[reportUntypedNamedTuple]  # see before
