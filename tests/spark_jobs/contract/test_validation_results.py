"""The result of validating a file: which violations reject it."""

from __future__ import annotations

import pytest

from spark_jobs.contract.validation_results import MAX_VIOLATIONS, ValidationResult, too_many_bad_rows
from spark_jobs.contract.violations import Violation


@pytest.mark.parametrize(
    ("rows", "bad", "ratio", "too_many"),
    [(10, 1, 0.1, False), (10, 2, 0.1, True), (0, 0, 0.0, False), (1, 1, 1.0, False), (1, 1, 0.0, True)],
)
def test_a_share_up_to_the_ratio_is_acceptable(rows: int, bad: int, ratio: float, too_many: bool) -> None:
    assert (too_many_bad_rows(rows, bad, ratio) is not None) is too_many


def test_only_whole_file_violations_reject() -> None:
    row_fault, file_fault = Violation("bad_date", "m", 1), Violation("encoding", "m")
    assert ValidationResult(violations=(row_fault,)).rejecting is None
    assert ValidationResult(violations=(file_fault, row_fault)).rejecting is file_fault


def test_a_whole_file_violation_that_is_added_comes_first_and_is_counted() -> None:
    row, whole = Violation("bad_date", "m", 1, "pck_recieved_date"), Violation("metadata", "m")
    found = ValidationResult(rows=1, bad_rows=1, counts={"bad_date": {"pck_recieved_date": 1}}, violations=(row,))
    rejected = found.rejected_by(whole)
    assert rejected.rejecting is whole
    assert rejected.violations == (whole, row)
    assert rejected.counts == {"bad_date": {"pck_recieved_date": 1}, "metadata": {"": 1}}
    assert len(ValidationResult(violations=(row,) * MAX_VIOLATIONS).rejected_by(whole).violations) == MAX_VIOLATIONS
