"""Databricks serverless is Spark Connect: no sparkContext, no _jvm, no cache. The whole job runs under it here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.e2e
def test_the_whole_job_runs_under_spark_connect(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.spark_jobs.steps.connect_run", str(tmp_path)]
    # On Databricks the wheel is installed where the workers run; here they find the tree.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=540, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "right under Connect" in done.stdout
