"""Table names, quoting, and the queries that every table shares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store import tables
from spark_jobs.store.tables import Tables, frame_of, of_files, quoted, sql_text

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_table_names_are_quoted_in_a_schema_and_in_a_folder() -> None:
    settings = IngestSettings(BucketLayout("b"), catalog="a`b", schema="s; DROP")
    assert Tables.of(settings).target == "`a``b`.`s; DROP`.`orders_target`"
    assert Tables.of(IngestSettings(BucketLayout("b"), warehouse="/w`x/")).stage == "delta.`/w``x/orders_stage`"


def test_a_relative_warehouse_becomes_absolute_and_an_address_stays() -> None:
    assert (
        Tables.of(IngestSettings(BucketLayout("b"), warehouse="w")).target
        == f"delta.`{Path('w').absolute()}/orders_target`"
    )
    assert Tables.of(IngestSettings(BucketLayout("b"), warehouse="gs://b/w")).target == "delta.`gs://b/w/orders_target`"


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("plain_1-2.csv", "'plain_1-2.csv'"),
        ("it's", r"'it\u0027s'"),
        ("a\\b", r"'a\u005cb'"),
        ("${env:HOME}", r"'\u0024\u007benv\u003aHOME\u007d'"),
        ("é😀", r"'\u00e9\U0001f600'"),
        ("\n", r"'\u000a'"),
    ],
)
def test_a_string_literal_escapes_everything_that_has_a_meaning(text: str, literal: str) -> None:
    assert sql_text(text) == literal


def test_comments_of_columns_are_plain_text_without_quotes() -> None:
    definitions = tables._definitions(Tables("t", "s", "a", "r", "l"), ORDER_TRACKING)
    comments = [comment for _, columns, _ in definitions for _, _, comment in columns]
    assert comments and not [comment for comment in comments if "'" in comment or not comment.strip()]
    assert quoted("a`b") == "`a``b`"


def test_rows_of_files_are_found_among_few_and_many(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [FileId("b", f"it's {n}", n) for n in range(1, 6)]
    rows = frame_of(spark, [(str(file), file.generation) for file in files], {"file_id": "STRING", "generation": "BIGINT"})

    def found(wanted: list[FileId]) -> list[int]:
        return sorted(row["generation"] for row in of_files(rows, wanted).collect())

    wanted = [files[1], files[3], FileId("b", "it's 3", 2), FileId("b", "other", 99)]
    assert found(wanted) == [2, 4]
    assert found([]) == []
    monkeypatch.setattr(tables, "FEW_FILES", 1)
    assert found(wanted) == [2, 4]


def test_a_string_literal_means_the_same_text_in_spark(spark: SparkSession) -> None:
    text = 'it\'s \\ "quoted" ${env:HOME} `x` \u00e9😀\n\t%_--'
    assert spark.sql(f"SELECT {sql_text(text)} AS text").collect()[0]["text"] == text
