"""Every question on every engine over the same tables: DuckDB, Spark, and a SQL warehouse through the local jobs server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.local.services.process import ServerProcess
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS, ORDER_TRACKING
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.queries.engine import Engine, NoChanges
from spark_jobs.queries.sql_warehouse import SqlWarehouse
from spark_jobs.questions.answers import ask
from spark_jobs.questions.catalog import Question, question_named, questions_of
from tests.jobs_fixtures import RunningJobsServer, developers_environment
from tests.spark_jobs.questions.engines import SparkEngine, column_type, comparable
from tests.spark_jobs.questions.story import NOW, Story

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[3]
QUESTIONS = [question for feed in FEEDS.values() for question in questions_of(feed)]
CHANGES = """
    SELECT tracking_num, status, last_update_timestamp, file_id, row_number,
           _change_type, _commit_version, _commit_timestamp
    FROM table_changes('orders_target', :since) WHERE _change_type IN ('update_preimage', 'update_postimage')
    ORDER BY _commit_version, tracking_num, _change_type
"""


def title(value: Question | Feed) -> str:
    return f"{value.feed.name}-{value.name}" if isinstance(value, Question) else value.name


@pytest.fixture(scope="module")
def engines(
    spark: SparkSession,
    story: Story,
    jobs_server_args: Callable[[Path], list[str | Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Engine]]:
    args = jobs_server_args(tmp_path_factory.mktemp("jobs-data"))
    with ServerProcess([*args, "--var", f"warehouse={story.folder}"], cwd=ROOT, env=developers_environment()) as process:
        warehouse = SqlWarehouse(RunningJobsServer(process).client, "local", "main", "order_tracking")
        yield {
            "folder": DeltaFolder(str(story.folder)),
            "Spark": SparkEngine(spark, story.folder),
            "warehouse": warehouse,
        }


@pytest.mark.parametrize("question", QUESTIONS, ids=title)
def test_every_engine_gives_the_same_answer(engines: dict[str, Engine], question: Question) -> None:
    answers = {
        name: [[comparable(value) for value in row] for row in ask(engine, question, NOW).rows]
        for name, engine in engines.items()
    }
    assert answers["folder"] == answers["Spark"] == answers["warehouse"]


@pytest.mark.parametrize("question", QUESTIONS, ids=title)
def test_columns_are_as_declared(engines: dict[str, Engine], question: Question) -> None:
    for name, engine in engines.items():
        answer = ask(engine, question, NOW)
        found = engine.rows(question.statement, {"now": NOW, "changes_since": NOW - timedelta(days=7)})
        assert all(list(row) == list(question.columns) for row in found), name
        for at, (column, kind) in enumerate(question.columns.items()):
            assert {column_type(row[at]) for row in answer.rows if row[at] is not None} <= {kind}, (name, column)


def test_each_question_has_an_answer_with_a_value_in_every_column(engines: dict[str, Engine]) -> None:
    """Otherwise the tests above would compare nothing."""
    for question in QUESTIONS:
        if question.section == "pipeline" and question.feed is not ORDER_TRACKING:
            continue
        rows = ask(engines["folder"], question, NOW).rows
        empty = [name for at, name in enumerate(question.columns) if all(row[at] is None for row in rows)]
        assert empty == [], question.name


@pytest.mark.parametrize("question", QUESTIONS, ids=title)
def test_empty_tables_give_empty_answers(spark: SparkSession, empty_folder: Path, question: Question) -> None:
    for engine in (DeltaFolder(str(empty_folder)), SparkEngine(spark, empty_folder)):
        answer = ask(engine, question, NOW)
        assert (answer.rows, answer.missing) == ([], "")


def test_the_change_feed_is_that_of_spark(engines: dict[str, Engine]) -> None:
    """All columns, versions and times of the commits included; from before the first commit, and from between two."""
    for since in (NOW - timedelta(days=7), commit_times(engines["Spark"])[-1]):
        found = {
            name: [
                {column: comparable(value) for column, value in row.items()}
                for row in engine.rows(CHANGES, {"since": since})
            ]
            for name, engine in engines.items()
        }
        assert found["folder"] == found["Spark"] == found["warehouse"] != []


def commit_times(spark: Engine) -> list[object]:
    return [row["_commit_timestamp"] for row in spark.rows(CHANGES, {"since": NOW - timedelta(days=7)})]


def test_every_engine_says_that_nothing_has_changed_since(engines: dict[str, Engine]) -> None:
    question = question_named(ORDER_TRACKING, "regressions")
    for engine in engines.values():
        with pytest.raises(NoChanges):
            engine.rows(CHANGES, {"since": NOW + timedelta(days=2)})
        assert ask(engine, question, NOW + timedelta(days=9)).rows == []


def test_every_engine_tells_the_same_versions(engines: dict[str, Engine], story: Story) -> None:
    for table in sorted(path.name for path in story.folder.iterdir()):
        versions = {name: engine.version(table) for name, engine in engines.items()}
        assert len(set(versions.values())) == 1, (table, versions)
    assert [engines[name].version("nowhere") for name in ("folder", "warehouse")] == [None, None]
