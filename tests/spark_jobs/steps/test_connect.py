"""Databricks serverless is Spark Connect: no sparkContext, no _jvm, no cache. The whole job runs under it here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spark_jobs.connect import run_apart


@pytest.mark.e2e
def test_the_whole_job_runs_under_spark_connect(tmp_path: Path) -> None:
    run_apart("tests.spark_jobs.steps.connect_run", tmp_path)
