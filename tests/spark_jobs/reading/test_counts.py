"""Spark and Arrow give the same counts for the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_jobs.batches import WaitingFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.dependencies import Dependencies
from spark_jobs.reading.counts import count_staged
from spark_jobs.reading.driver_batches import read_on_driver
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore
from tests.spark_jobs.reading.readings import generated_files
from tests.strategies import ARRIVAL

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_spark_and_arrow_count_the_same_of_every_generated_file(spark: SparkSession) -> None:
    store, mark = FakeFileStore(), AcceptedMark(1, CONTRACT_VERSION, 0, 0, False, True)
    contents = enumerate(generated_files())
    uploaded = [store.upload(f"source/{number}.csv", content, created=ARRIVAL) for number, content in contents]
    waiting = [WaitingFile(stored, mark, ARRIVAL) for stored in uploaded]
    staged, counts = read_on_driver(spark, ORDER_TRACKING, waiting, Dependencies(store, FakeAnnouncer()))
    assert counts == count_staged(staged, ORDER_TRACKING)
    assert counts.staged_rows == staged.count()
    assert {counted.fault for counted in counts.files.values()} > {None}
