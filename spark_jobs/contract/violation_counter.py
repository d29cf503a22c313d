"""What validation has found in a file so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from spark_jobs.contract.rows import Fault
from spark_jobs.contract.validation_results import MAX_VIOLATIONS, ValidationResult
from spark_jobs.contract.violations import Violation


class ViolationCounter:
    """Counts violations; keeps the first in full. ``rows`` is set by the caller, who knows of skipped rows, too."""

    def __init__(self) -> None:
        self.rows = 0
        self.bad_rows = 0
        self._counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._violations: list[Violation] = []

    def add(self, faults: Sequence[Fault], describe: Callable[[], Iterable[Violation]]) -> None:
        """Count one row's faults. ``describe`` is called for listed rows only: words are most of a bad row's cost."""
        if not faults:
            return
        self.bad_rows += 1
        for fault in faults:
            self._counts[fault.code][fault.column or ""] += 1
        if not self.full:
            self._violations.extend(islice(describe(), MAX_VIOLATIONS - len(self._violations)))

    @property
    def full(self) -> bool:
        """No further violation would be listed."""
        return len(self._violations) >= MAX_VIOLATIONS

    def result(self, *whole_file: Violation, partial: bool = False, splittable: bool = False) -> ValidationResult:
        """``whole_file``: violations that reject the file; those of its rows come after them."""
        for violation in whole_file:
            self._counts[violation.code][violation.column or ""] += 1
        return ValidationResult(
            rows=self.rows,
            bad_rows=self.bad_rows,
            counts={code: dict(columns) for code, columns in self._counts.items()},
            violations=(*whole_file, *self._violations)[:MAX_VIOLATIONS],
            partial=partial,
            splittable=splittable,
        )
