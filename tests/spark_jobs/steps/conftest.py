"""What every test of the steps starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.spark_jobs.harness import JobHarness

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def harness(spark: SparkSession, tmp_path: Path) -> JobHarness:
    return JobHarness(spark, tmp_path)
