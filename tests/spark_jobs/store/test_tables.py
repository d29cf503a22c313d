"""Table names, quoting, and the queries that every table shares."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store import tables
from spark_jobs.store.tables import (
    MAX_RANGES,
    TableError,
    Tables,
    check_collation,
    create_tables,
    frame_of,
    generation_ranges,
    of_files,
    quoted,
    sql_text,
)

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


def test_text_columns_are_declared_to_compare_byte_by_byte() -> None:
    spark = MagicMock()
    spark.table().schema.__getitem__().dataType.simpleString.return_value = "string"
    create_tables(spark, Tables.of(IngestSettings(BucketLayout("b"), warehouse="/w")), ORDER_TRACKING)
    declared = " ".join(call.args[0] for call in spark.sql.call_args_list)
    assert declared.count("` STRING COLLATE UTF8_BINARY COMMENT") == declared.count("` STRING ") > 10


def test_a_key_that_ignores_case_is_refused() -> None:
    check_collation("t", "tracking_num", "string")
    with pytest.raises(TableError, match="UTF8_LCASE"):
        check_collation("t", "tracking_num", "string collate UTF8_LCASE")


@given(st.lists(st.integers(0, 10**16)))
def test_a_few_ranges_cover_all_generations(generations: list[int]) -> None:
    ranges = generation_ranges(generations)
    assert len(ranges) <= MAX_RANGES
    assert all(any(low <= each <= high for low, high in ranges) for each in generations)
    assert all(low in generations and high in generations for low, high in ranges)
    assert all(before[1] < after[0] for before, after in pairwise(ranges))


def test_one_file_that_waited_for_a_year_does_not_widen_the_range_of_the_others() -> None:
    today = [1_700_000_000_000_000 + n for n in range(50)]
    year_ago = today[0] - 365 * 86_400_000_000
    ranges = generation_ranges([year_ago, *today])
    assert ranges[0] == (year_ago, year_ago)
    assert sum(high - low for low, high in ranges) < 50


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
