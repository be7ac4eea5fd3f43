"""Statements that are run many times a second: compiled once, and given to SQLite without a library in between.

Such a statement is a constant, marked by `direct`. Everywhere but in a job on SQLite (`app.db.visit`) the mark means
nothing. See `docs/decisions/0034`.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, final

from sqlalchemy import Dialect, Executable, inspect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert
from sqlalchemy.types import TypeEngine

_MARK: Final = "gateway_direct"
Parameters = Mapping[str, Any]
Statement = TypeVar("Statement", bound=Executable)
_Convert = Callable[[Any], Any]


def direct(statement: Statement) -> Statement:
    """Mark a statement that lives as long as the process; it gives columns, or one entity that is only read.

    In a job on SQLite that one is a row with the entity's attributes.
    """
    return statement.execution_options(**{_MARK: True})


def is_direct(statement: Executable) -> bool:
    """Tell whether it is marked so."""
    return _MARK in statement.get_execution_options()


@final
class DirectResult:
    """The rows of a statement; has of SQLAlchemy's results what the queries use."""

    def __init__(self, rows: Sequence[Any], rowcount: int, *, entity: bool = False) -> None:
        """Take the rows, how many a change has struck, and whether each row is one entity."""
        self._rows = rows
        self.rowcount = rowcount
        self._entity = entity

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> Sequence[Any]:
        """Give every row."""
        return self._rows

    def scalars(self) -> "DirectResult":
        """Give the first column of each row; an entity is a column."""
        return self if self._entity else DirectResult([row[0] for row in self._rows], self.rowcount)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One statement for one set of parameters."""

    sql: str
    binds: Sequence[tuple[str, Any]]
    """The name, and the value where none is given."""
    to_sqlite: Sequence[tuple[int, _Convert]]
    """What makes of the value at a place what SQLite takes."""
    from_sqlite: Sequence[tuple[int, _Convert]]
    """What makes a value of the column at a place."""
    row: Callable[[Sequence[Any]], Any] | None
    """None for a statement that gives no rows."""
    entity: bool
    """Whether a row is one entity."""

    def values(self, parameters: Parameters) -> list[Any]:
        return _converted([parameters.get(name, value) for name, value in self.binds], self.to_sqlite)

    def rows(self, cursor: Iterable[Sequence[Any]]) -> Sequence[Any]:
        if self.row is None:
            return ()
        make, convert = self.row, self.from_sqlite
        return [make(_converted(list(row), convert)) for row in cursor]


def _converted(values: list[Any], convert: Sequence[tuple[int, _Convert]]) -> list[Any]:
    """Convert the values that are there; NULL is None for every type that is stored here."""
    for place, to in convert:
        if values[place] is not None:
            values[place] = to(values[place])
    return values


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
        if isinstance(parameters, Mapping):
            return self._run(connection, statement, parameters)
        result = DirectResult((), 0)
        for one in parameters:
            result = self._run(connection, statement, one)
        return result

    def _run(self, connection: sqlite3.Connection, statement: Executable, parameters: Parameters) -> DirectResult:
        compiled = self._compiled(statement, parameters)
        cursor = connection.execute(compiled.sql, compiled.values(parameters))
        return DirectResult(compiled.rows(cursor), cursor.rowcount, entity=compiled.entity)

    def _compiled(self, statement: Executable, parameters: Parameters) -> _Compiled:
        names = tuple(parameters) if isinstance(statement, Insert) else ()
        # The statement is kept with it: its id is its own for as long as it lives.
        known = self._known.get((id(statement), names))
        if known is None:
            known = self._known[id(statement), names] = (statement, self._compile(statement, names))
        return known[1]

    def _compile(self, statement: Executable, given: Sequence[str]) -> _Compiled:
        whole: Any = statement
        compiled: SQLCompiler = whole.compile(dialect=self._dialect, column_keys=list(given) or None)
        binds = [(name, compiled.binds[name]) for name in compiled.positiontup or ()]
        returned: Sequence[Any] = tuple(getattr(whole, "selected_columns", ())) or tuple(
            getattr(whole, "exported_columns", ())
        )
        names, is_entity = _names_of(whole, [column.key for column in returned])
        return _Compiled(
            sql=compiled.string,
            binds=[(name, bind.value) for name, bind in binds],
            to_sqlite=_places(self._to_sqlite(bind.type) for _, bind in binds),
            from_sqlite=_places(self._from_sqlite(column.type) for column in returned),
            # Not the class of an entity: watching its attributes costs more than reading it from the disk.
            row=_row_class(names)._make if names else None,
            entity=is_entity,
        )

    def _to_sqlite(self, kind: TypeEngine[Any]) -> _Convert | None:
        return kind.dialect_impl(self._dialect).bind_processor(self._dialect)

    def _from_sqlite(self, kind: TypeEngine[Any]) -> _Convert | None:
        return kind.dialect_impl(self._dialect).result_processor(self._dialect, None)


def _places(convert: Iterable[_Convert | None]) -> Sequence[tuple[int, _Convert]]:
    return [(place, to) for place, to in enumerate(convert) if to is not None]


def _row_class(names: Sequence[str]) -> Any:  # noqa: ANN401 - its fields are known only here
    """Give a class of rows that shows no value of its own: there are texts and sealed keys among them."""
    fields: Any = namedtuple("Row", names)  # noqa: PYI024 - see above  # pyright: ignore[reportUntypedNamedTuple]  # see above
    return type("Row", (fields,), {"__slots__": (), "__repr__": object.__repr__})


def _names_of(statement: Any, names: Sequence[str]) -> tuple[Sequence[str], bool]:  # noqa: ANN401 - a select, or a change
    """Give the names of a row's values, and whether they are the attributes of one entity."""
    described: Sequence[Mapping[str, Any]] = getattr(statement, "column_descriptions", ())
    if len(described) == 1 and described[0]["expr"] is described[0]["entity"] is not None:
        entity: Any = described[0]["entity"]
        return [inspect(entity).get_property_by_column(entity.__table__.c[name]).key for name in names], True
    return names, False
