"""`python -m infra.local.demo` as it is typed, with fewer rows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.demo.tables import read_table
from tests.running_stack import ROOT

pytestmark = pytest.mark.e2e


def test_the_demo_ends_with_every_row_matching_and_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "infra.local.demo", f"--data-dir={folder}", "--rows=300"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    for table, key, files, least in (("orders", "tracking_num", 6, 1400), ("customer_orders", "order_id", 4, 380)):
        rows = len(read_table(folder / "warehouse", f"{table}_target", key))
        matching = f"{rows:,} of {rows:,} rows match an independent reading of the {files} merged files"
        assert f"{table}_target: {matching}" in done.stdout
        assert rows > least
    for word in ("rejected", "merged", "TERMINATED SUCCESS", "in transit", "where to look further"):
        assert word in done.stdout
    report = folder / "report.html"
    assert done.stdout.rstrip().endswith(str(report))
    answers = re.search(r'id="answers">(.*?)</script>', report.read_text("utf-8"))
    assert answers
    funnel = json.loads(answers[1])["status_funnel"]
    shipments = funnel["columns"].index("shipments")
    assert sum(row[shipments] for row in funnel["rows"]) == len(
        read_table(folder / "warehouse", "orders_target", "tracking_num")
    )
    assert json.loads(answers[1])["rejected_files"]["rows"], "those of the function, from the bucket"
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(folder) not in listed
