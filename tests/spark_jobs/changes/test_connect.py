"""Databricks serverless is Spark Connect: there, batches of a stream are handled in a process of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spark_jobs.connect import run_apart


@pytest.mark.e2e
def test_the_stream_works_under_spark_connect_and_its_errors_arrive(tmp_path: Path) -> None:
    run_apart("tests.spark_jobs.changes.connect_run", tmp_path)
