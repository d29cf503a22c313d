"""The rejection of a file: its new name, its report and the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.rejections import rejection
from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.violations import Violation

FILE = FileId("b", "source/eu/orders.csv", 7)
ARRIVAL = datetime(2026, 2, 1, 12, tzinfo=UTC)
PREFIXES = {"source_prefix": "source/", "rejected_prefix": "rejected/"}


def test_the_report_is_stored_next_to_the_rejected_file_and_has_its_arrival() -> None:
    result = ValidationResult().rejected_by(Violation("encoding", "line 2 isn't UTF-8"))
    rejected = rejection(FILE, ARRIVAL, result, seconds=0, **PREFIXES)
    assert (rejected.name, rejected.report_name) == ("rejected/eu/orders.csv.7", "rejected/eu/orders.csv.7.report.json")
    assert (rejected.code, rejected.reason) == ("encoding", "encoding: line 2 isn't UTF-8")
    report = json.loads(rejected.report)
    assert (report["file"], report["verdict"], report["arrival"]) == (str(FILE), "rejected", ARRIVAL.isoformat())


def test_an_accepted_file_has_no_rejection() -> None:
    with pytest.raises(ValueError, match="no whole-file violation"):
        rejection(FILE, ARRIVAL, ValidationResult(rows=1), seconds=0, **PREFIXES)
