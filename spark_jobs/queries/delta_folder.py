"""A folder of Delta tables on this machine, read with DuckDB: no Java, a query takes some 40 ms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_jobs.queries.engine import NoTable, Row, Scalar
from spark_jobs.settings import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

INSTALL = "pip install duckdb==1.5.5 duckdb-extension-delta==1.5.5"
AWARE = "TIMESTAMP WITH TIME ZONE"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_WORD = re.compile(r"\w+")


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
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def table(self, statement: str, parameters: Mapping[str, Scalar]) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
        """The result's columns, with DuckDB's types, and rows. Raises NoTable, and ValueError unless it is one query."""
        for table in sorted(set(_WORD.findall(statement))):
            if (self._folder / table / "_delta_log").is_dir():
                # A view is bound again by each query, so it always shows the latest version.
                path = _text(str(self._folder / table))
                self._connection.execute(f"CREATE OR REPLACE VIEW {_name(table)} AS FROM delta_scan({path})")
        connection = self._connection  # says what to install if there is no DuckDB
        from duckdb import CatalogException, StatementType

        parsed = connection.extract_statements(_translated(statement))
        if [one.type for one in parsed] != [StatementType.SELECT]:
            raise ValueError("only a single SELECT statement can be run")
        try:
            found = connection.sql(parsed[0], params=dict(parameters))
        except CatalogException as error:
            raise NoTable(str(error).splitlines()[0]) from None
        columns = {name: str(kind) for name, kind in zip(found.columns, found.types, strict=True)}
        # Aware times would need pytz, and be in the session's time zone.
        shown = (f"epoch_us({_name(name)})" if kind == AWARE else _name(name) for name, kind in columns.items())
        rows = found.project(", ".join(shown)).fetchall()
        times = [kind == AWARE for kind in columns.values()]
        return columns, [
            tuple(_time(value) if time else value for value, time in zip(row, times, strict=True)) for row in rows
        ]

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
        connection.execute("SET TimeZone = 'UTC'; CREATE MACRO unix_micros(moment) AS epoch_us(moment)")
        # A statement can read the folder and nothing else, even if it comes from a stranger.
        connection.execute(f"SET allowed_directories = [{_text(f'{self._folder}/')}]")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        return connection


def _translated(statement: str) -> str:
    """From the dialect of Spark. Texts are parameters, so whatever looks like a name or parameter is one."""
    return _PARAMETER.sub(r"$\1", statement).replace("`", '"')


def _time(micros: Any) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
