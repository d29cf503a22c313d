"""Small hand-made files, each with its expected report, in one folder per file: tests/data/torture/<case>/.

After rewording messages, ``python -m tests.functions.validation.test_torture`` writes the reports again; review the diff.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from functions.validation.upload import validate_upload
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.reports import build_report
from tests.oracle import read_file
from tests.strategies import ARRIVAL

TORTURE = Path(__file__).parents[2] / "data" / "torture"
CASES = sorted(folder.name for folder in TORTURE.iterdir() if folder.is_dir())


def report_of(case: str) -> dict[str, Any]:
    (path,) = (TORTURE / case).glob("*.csv")
    result = validate_upload(io.BytesIO(path.read_bytes()), name=path.name, arrival=ARRIVAL, max_bad_row_ratio=0.1)
    return build_report(path.name, result, seconds=0, arrival=ARRIVAL)


@pytest.mark.parametrize("case", CASES)
def test_each_file_gets_the_expected_report(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in FEEDS.keys() - {"order_tracking", "customer_orders"}:  # a report may list all feeds
        monkeypatch.delitem(FEEDS, other)
    assert report_of(case) == json.loads((TORTURE / case / "report.json").read_text())


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("name_")])
def test_the_expected_report_agrees_with_the_oracle(case: str) -> None:
    """So that a regenerated report can't hide a mistake."""
    (path,) = (TORTURE / case).glob("*.csv")
    report = json.loads((TORTURE / case / "report.json").read_text())
    rows = read_file(path.read_bytes(), ARRIVAL)
    if rows is None:
        assert report["verdict"] == "rejected"
        return
    assert report["rows"] == len(rows)
    assert {v["row"] for v in report["violations"]} - {None} == {row for row, values in rows if values is None}
    assert report["verdict"] == ("rejected" if report["bad_rows"] > 0.1 * report["rows"] else "accepted")


def test_no_case_is_missing() -> None:
    """With a glob that finds nothing, every test above would pass."""
    assert len(CASES) >= 38


if __name__ == "__main__":
    for name in CASES:
        text = json.dumps(report_of(name), ensure_ascii=False, indent=2)
        (TORTURE / name / "report.json").write_text(text + "\n")
