"""What has been found in a file so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from spark_jobs.contract.rows import Fault
from spark_jobs.contract.validation_results import MAX_VIOLATIONS, ValidationResult
from spark_jobs.contract.violations import Violation


class ViolationCounter:
    """Counts rows and violations; keeps the first violations in full. Turned into a Judgement once, at the end."""

    def __init__(self) -> None:
        self.rows = 0
        self.bad_rows = 0
        self._counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._violations: list[Violation] = []

    def take_row(self, faults: Sequence[Fault], describe: Callable[[Fault], Violation]) -> None:
        """``in_words`` makes a fault a violation; it is asked for the listed ones only."""
        self.rows += 1
        if faults:
            self.bad_rows += 1
            for fault in faults:
                self._counts[fault.code][fault.column or ""] += 1
            if not self.full:
                listed = faults[: MAX_VIOLATIONS - len(self._violations)]
                self._violations.extend(map(describe, listed))

    @property
    def full(self) -> bool:
        """No further violation would be listed."""
        return len(self._violations) >= MAX_VIOLATIONS

    def take_clean(self, rows: int) -> None:
        self.rows += rows

    def result(self, *faults: Violation, partial: bool = False, splittable: bool = False) -> ValidationResult:
        """``faults`` condemn the file as a whole; what was seen of its rows stands behind them."""
        for fault in faults:
            self._counts[fault.code][fault.column or ""] += 1
        return ValidationResult(
            rows=self.rows,
            bad_rows=self.bad_rows,
            counts={code: dict(columns) for code, columns in self._counts.items()},
            violations=(*faults, *self._violations)[:MAX_VIOLATIONS],
            partial=partial,
            splittable=splittable,
        )
