"""Delta tables read with DuckDB. The tables were written by version 0.1.0 of the job, so no Spark is needed here."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from spark_jobs.queries.delta_folder import DeltaFolder, NotAllowed
from spark_jobs.queries.engine import NoTable
from spark_jobs.settings import SettingsError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def engine(folder: Path) -> DeltaFolder:
    return DeltaFolder(str(folder))


def test_every_type_comes_back_as_in_the_contract(engine: DeltaFolder) -> None:
    statement = """
        SELECT :text AS text, :number AS number, :amount AS amount, :day AS `day`, :time AS time,
               unix_micros(:time) AS micros, balanced, logged_at, CAST(NULL AS BIGINT) AS missing
        FROM orders_ingest_log WHERE file_id LIKE :like
    """
    time = datetime(2026, 2, 1, 14, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    given = {"text": "it's `:text`", "number": 2**62, "amount": Decimal("1.20"), "day": date(2026, 1, 31), "time": time}
    (found,) = engine.rows(statement, {**given, "like": "%2026_01_01.csv#%"})
    assert found == given | {
        "micros": 1769947200123456,
        "balanced": True,
        "logged_at": datetime(2026, 2, 1, 12, tzinfo=UTC),
        "missing": None,
    }
    assert found["time"].utcoffset() == timedelta()


def test_a_table_that_does_not_exist_is_told_from_other_mistakes(engine: DeltaFolder, folder: Path) -> None:
    with pytest.raises(NoTable, match="nowhere"):
        engine.rows("SELECT 1 AS one FROM nowhere")
    with pytest.raises(NoTable):
        DeltaFolder(str(folder / "missing")).rows("SELECT 1 AS one FROM orders_target")
    for mistake in ("no_such_column", "no_such_function(1)"):
        with pytest.raises(duckdb.Error, match=mistake.partition("(")[0]):
            engine.rows(f"SELECT {mistake} AS x FROM orders_target")


@pytest.mark.parametrize(
    "statement",
    [
        "DROP VIEW orders_target",
        "SELECT 1 AS one; SELECT 2 AS two",
        "PRAGMA version",
        "SELECT * FROM read_text('{folder}/orders_target/_delta_log/00000000000000000000.json')",
        # Its file system is not DuckDB's, so no setting keeps it in the folder.
        "SELECT count(*) AS n FROM delta_scan('{folder}/orders_target')",
        "SELECT (SELECT max(x) FROM (SELECT * FROM Enable_Logging()) AS t (x)) AS x",
        "SELECT " + "(" * 900 + "1" + ")" * 900 + " + 1" * 900 + " AS x",
    ],
)
def test_only_a_query_of_tables_is_run(engine: DeltaFolder, folder: Path, statement: str) -> None:
    with pytest.raises((NotAllowed, duckdb.ParserException)):
        engine.rows(statement.format(folder=str(folder).replace("'", "''")))
    assert engine.rows("SELECT DISTINCT order_num FROM orders_target") == [{"order_num": "A1"}]


def test_what_is_not_in_the_statement_is_no_parameter(engine: DeltaFolder) -> None:
    assert engine.rows("SELECT :one AS one", {"one": 1, "two": 2}) == [{"one": 1}]


def test_a_bucket_is_refused_in_one_sentence() -> None:
    with pytest.raises(SettingsError, match="must be a folder of this machine"):
        DeltaFolder("gs://bucket/tables")


def test_without_duckdb_the_message_says_what_to_install(folder: Path) -> None:
    code = f"""
import sys
sys.modules["duckdb"] = None
from spark_jobs.queries.delta_folder import DeltaFolder
DeltaFolder({str(folder)!r}).rows("SELECT 1 AS one FROM orders_target")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert "SettingsError: reading Delta tables without Spark needs DuckDB: pip install duckdb==" in done.stderr
