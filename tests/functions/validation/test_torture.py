"""Small hand-made files, each with the report that it must get. A folder per file: tests/data/torture/<what>/."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from functions.validation.upload import validate_upload
from spark_jobs.contract.reports import build_report
from tests.oracle import read_file
from tests.strategies import ARRIVAL

TORTURE = Path(__file__).parents[2] / "data" / "torture"
CASES = sorted(folder.name for folder in TORTURE.iterdir() if folder.is_dir())


@pytest.mark.parametrize("case", CASES)
def test_the_file_gets_its_report(case: str) -> None:
    (path,) = (TORTURE / case).glob("*.csv")
    result = validate_upload(io.BytesIO(path.read_bytes()), name=path.name, arrival=ARRIVAL, max_bad_row_ratio=0.1)
    report = build_report(path.name, result, seconds=0, arrival=ARRIVAL)
    assert report == json.loads((TORTURE / case / "report.json").read_text())


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("name_")])
def test_the_expected_report_agrees_with_the_oracle(case: str) -> None:
    """So that a wrong expectation can't be frozen into the folder."""
    (path,) = (TORTURE / case).glob("*.csv")
    report = json.loads((TORTURE / case / "report.json").read_text())
    rows = read_file(path.read_bytes(), ARRIVAL)
    if rows is None:
        assert report["verdict"] == "rejected"
        return
    assert report["rows"] == len(rows)
    assert {v["row"] for v in report["violations"]} - {None} == {row for row, values in rows if values is None}
    assert report["verdict"] == ("rejected" if report["bad_rows"] > 0.1 * report["rows"] else "accepted")


def test_the_folder_is_as_big_as_it_was_made() -> None:
    """A glob that finds nothing would pass every test above."""
    assert len(CASES) >= 38
