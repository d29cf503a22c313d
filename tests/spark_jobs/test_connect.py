"""Databricks serverless is Spark Connect: no sparkContext, no _jvm, no cache. The whole job runs under it here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.spark
def test_the_whole_job_runs_under_spark_connect(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.spark_jobs.connect_run", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=540, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-4000:]
    assert "right under Connect" in done.stdout
