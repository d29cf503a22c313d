"""Databricks serverless is Spark Connect: there, batches of a stream are handled in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.e2e
def test_the_stream_works_under_spark_connect_and_its_errors_arrive(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.spark_jobs.changes.connect_run", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=540, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "right under Connect" in done.stdout
