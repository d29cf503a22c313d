"""Counts the violations of a file during validation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from spark_jobs.contract.validation_results import MAX_VIOLATIONS, ValidationResult
from spark_jobs.contract.values import Fault
from spark_jobs.contract.violations import Violation


class ViolationCounter:
    """Counts violations and keeps the first ones in full. The caller sets ``feed``, its name, and ``rows``, because it also
    counts skipped rows."""

    def __init__(self) -> None:
        self.feed = ""
        self.rows = 0
        self.bad_rows = 0
        self._counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._violations: list[Violation] = []

    def add(self, faults: Sequence[Fault], describe: Callable[[], Iterable[Violation]]) -> None:
        """Count one row's faults. ``describe`` is called only for listed rows: messages are most of a bad row's cost."""
        if not faults:
            return
        self.bad_rows += 1
        for fault in faults:
            self._counts[fault.code][fault.column or ""] += 1
        if not self.full:
            self._violations.extend(islice(describe(), MAX_VIOLATIONS - len(self._violations)))

    @property
    def full(self) -> bool:
        """Whether the list of violations is full."""
        return len(self._violations) >= MAX_VIOLATIONS

    def result(self, *whole_file: Violation, partial: bool = False, splittable: bool = False) -> ValidationResult:
        """``whole_file``: violations that reject the file, listed before those of its rows."""
        for violation in whole_file:
            self._counts[violation.code][violation.column or ""] += 1
        return ValidationResult(
            feed=self.feed,
            rows=self.rows,
            bad_rows=self.bad_rows,
            counts={code: dict(columns) for code, columns in self._counts.items()},
            violations=(*whole_file, *self._violations)[:MAX_VIOLATIONS],
            partial=partial,
            splittable=splittable,
        )
