"""A folder of Delta tables on this machine, read with DuckDB: no Java, a query takes some 40 ms."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_jobs.contract.values import from_micros
from spark_jobs.queries.delta_log import AWARE, ChangesUnknown, Commit, commits, sql_text, updates_since
from spark_jobs.queries.engine import NoTable, Row, Scalar
from spark_jobs.settings import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Statement

INSTALL = "pip install duckdb==1.5.5 duckdb-extension-delta==1.5.5"
MARKER = re.compile(r"(?<![:\w]):(\w+)")
"""A parameter in a statement."""
_WORD = re.compile(r"\w+")
_NO_TABLE = re.compile(r"Table with name (.+?) does not exist")
_CHANGES = re.compile(rf"\btable_changes\(\s*'(\w+)'\s*,\s*(?::(\w+)|CAST\(:(\w+) AS {AWARE}\))\s*\)")
_ROWS_PER_FETCH = 1000
_ROW_FUNCTIONS = {"range", "unnest"}
"""The only functions that a statement may read rows from. Others read or write files, or change settings for good; and
delta_scan opens the log of a table at any path or address, because its file system is not DuckDB's."""
_SPARK_FUNCTIONS = (
    "CREATE MACRO unix_micros(moment) AS epoch_us(moment)",
    "CREATE MACRO unix_date(day) AS date_diff('day', DATE '1970-01-01', day)",
    # 15 times as fast as a cast, which looks up the time zone of each row.
    "CREATE MACRO to_date(moment) AS CAST(make_timestamp(epoch_us(moment)) AS DATE)",
    "CREATE MACRO explode(list) AS unnest(list)",
)
Columns = list[tuple[str, str]]
"""Names and DuckDB's types."""


class NotAllowed(Exception):
    """The text is not one query of the folder's tables. ``statements``: how many it contains."""

    def __init__(self, message: str, statements: int = 1) -> None:
        super().__init__(message)
        self.statements = statements


class DeltaFolder:
    """``folder`` has one Delta table per subfolder."""

    max_parameters = 20_000

    def __init__(self, folder: str) -> None:
        if "://" in folder:
            raise SettingsError(f"--warehouse must be a folder of this machine to be read without Spark, not {folder}")
        self._folder = Path(folder).absolute()

    def rows(self, statement: str, parameters: Mapping[str, Scalar] | None = None) -> list[Row]:
        """See `Engine.rows`."""
        columns, rows = self.table(statement, parameters or {})
        return [dict(zip((name for name, _ in columns), row, strict=True)) for row in rows]

    def table(self, statement: str, parameters: Mapping[str, Any]) -> tuple[Columns, Iterator[tuple[Any, ...]]]:
        """The result's columns and its rows, which must be read before the next statement.

        Parameters that the statement doesn't name are ignored. Raises NoTable with the table's name, NoChanges and
        NotAllowed.
        """
        connection = self._connection  # says what to install if there is no DuckDB
        from duckdb import CatalogException

        statement = _CHANGES.sub(lambda call: self._changes(call[1], parameters[call[2] or call[3]]), statement)
        query = self._query(statement)
        for table in sorted(set(_WORD.findall(statement))):
            if (self._folder / table / "_delta_log").is_dir():
                # A view is bound again by each query, so it always shows the latest version.
                path = sql_text(str(self._folder / table))
                connection.execute(f"CREATE OR REPLACE VIEW {_name(table)} AS FROM delta_scan({path})")
        try:
            found = connection.sql(query, params={n: parameters[n] for n in query.named_parameters if n in parameters})
        except CatalogException as error:
            if missing := _NO_TABLE.search(str(error)):
                raise NoTable(missing[1]) from None
            raise
        columns = [(name, str(kind)) for name, kind in zip(found.columns, found.types, strict=True)]
        # Aware times would need pytz, and be in the session's time zone.
        times = [kind == AWARE for _, kind in columns]
        shown = found.project(", ".join(f"epoch_us(#{n})" if time else f"#{n}" for n, time in enumerate(times, 1)))

        def rows() -> Iterator[tuple[Any, ...]]:
            while some := shown.fetchmany(_ROWS_PER_FETCH):
                for row in some:
                    yield tuple(_time(value) if time else value for value, time in zip(row, times, strict=True))

        return columns, rows()

    def version(self, table: str) -> int | None:
        """See `Engine.version`."""
        try:
            return self.last_commit(table).version
        except NoTable:
            return None

    def last_commit(self, table: str) -> Commit:
        """Raises NoTable."""
        found = commits(self._folder / table) if _WORD.fullmatch(table) else []
        if not found:
            raise NoTable(table)
        return found[-1]

    def interrupt(self) -> None:
        """If another thread runs a statement right now, it raises duckdb.InterruptException there."""
        if "_connection" in vars(self):  # not one that is just being made
            self._connection.interrupt()

    def _changes(self, table: str, time: datetime | str) -> str:
        """Make a view of the table's updated rows since then (aware, or its text), and return its quoted name. A statement
        thereby reads these files and no others. Raises NoTable, NoChanges and NotAllowed.
        """
        since = time if isinstance(time, datetime) else datetime.fromisoformat(time)
        try:
            query = updates_since(self._folder / table, since)
        except ChangesUnknown as error:
            raise NotAllowed(str(error)) from None
        view = f"changes of {table}"
        self._connection.execute(f"CREATE OR REPLACE VIEW {_name(view)} AS {query}")
        return f"`{view}`"

    def _query(self, statement: str) -> Statement:
        """The statement parsed. Raises NotAllowed unless it is one query that can only read tables."""
        from duckdb import StatementType

        text = _translated(statement)
        parsed = self._connection.extract_statements(text)
        if [one.type for one in parsed] != [StatementType.SELECT]:
            raise NotAllowed("only a single SELECT statement can be run", len(parsed))
        (tree,) = self._connection.execute("SELECT json_serialize_sql($1)", [text]).fetchone() or ("",)
        functions: set[str] = set()

        def note(node: dict[str, Any]) -> dict[str, Any]:
            if node.get("type") == "TABLE_FUNCTION":
                functions.add(str(node["function"]["function_name"]).lower())
            return node

        try:
            tree = json.loads(tree, object_hook=note)
        except RecursionError:
            raise NotAllowed("the statement is nested too deeply") from None
        if tree["error"]:  # a PRAGMA, which runs as a SELECT
            raise NotAllowed(tree["error_message"])
        if refused := functions - _ROW_FUNCTIONS:
            raise NotAllowed(f"a statement reads tables only, not {', '.join(sorted(refused))}()")
        return parsed[0]

    @cached_property
    def _connection(self) -> DuckDBPyConnection:
        try:
            import duckdb
        except ImportError:
            raise SettingsError(f"reading Delta tables without Spark needs DuckDB: {INSTALL}") from None
        spec = find_spec("duckdb_extension_delta")
        places = spec.submodule_search_locations or [] if spec else []
        extension = next((file for place in places for file in Path(place).glob("extensions/*/*.duckdb_extension")), None)
        if extension is None:
            raise SettingsError(f"reading Delta tables without Spark needs DuckDB's extension for Delta: {INSTALL}")
        connection = duckdb.connect()
        connection.load_extension(str(extension))
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("; ".join(_SPARK_FUNCTIONS))
        # A statement can read the folder and nothing else, even if it comes from a stranger; see also _ROW_FUNCTIONS.
        connection.execute(f"SET allowed_directories = [{sql_text(f'{self._folder}/')}]")
        connection.execute("SET temp_directory = ''; SET python_enable_replacements = false")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        return connection


def _translated(statement: str) -> str:
    """From the dialect of Spark. Texts are parameters, so whatever looks like a name or parameter is one."""
    return MARKER.sub(r"$\1", statement).replace("`", '"')


def _time(micros: Any) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
