"""Killed with 9 inside a commit, in a process of its own: the next run ends as if nothing had been."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.spark_jobs.killed_run import uploads
from tests.spark_jobs.workshop import Workshop

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.recovery

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("table", ["orders_stage", "orders_target"])
def test_killed_in_the_middle_of_a_commit_the_next_run_ends_the_same(
    spark: SparkSession, tmp_path: Path, table: str
) -> None:
    command = [sys.executable, "-m", "tests.spark_jobs.killed_run", str(tmp_path / "killed"), table]
    (tmp_path / "killed").mkdir()
    killed = subprocess.run(command, cwd=ROOT, start_new_session=True, capture_output=True, timeout=300, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    shop = Workshop(spark, tmp_path)
    shutil.rmtree(tmp_path / "warehouse")
    shutil.move(tmp_path / "killed" / "warehouse", tmp_path / "warehouse")
    uploads(shop)
    shop.ingest()
    shop.assert_right()
    assert sorted((line["rows"], line["rejected_rows"]) for line in shop.log().values()) == [(40, 0), (41, 1)]
    assert len(shop.rejected_rows()) == 1
    attempts = {r["file_id"]: r["attempts"] for r in shop.spark.table(shop.tables.ingest_log).collect()}
    assert set(attempts.values()) == {2}, "the killed run had taken both"
