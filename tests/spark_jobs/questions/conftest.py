"""Tables that the real job wrote, for the questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spark_jobs.contract.feeds import FEEDS
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store.tables import Tables, create_tables
from tests.spark_jobs.questions.story import Story, tell

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return tell(spark, tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="session")
def empty_folder(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of every feed, as before the first file."""
    folder = tmp_path_factory.mktemp("empty")
    for feed in FEEDS.values():
        settings = IngestSettings(BucketLayout("orders-data"), warehouse=str(folder), feed=feed)
        create_tables(spark, Tables.of(settings), feed)
    return folder
