"""What has been found in a file so far."""

from __future__ import annotations

from collections import defaultdict

from spark_jobs.contract.judgements import MAX_VIOLATIONS, Judgement
from spark_jobs.contract.rows import JudgedRow
from spark_jobs.contract.violations import Violation


class Tally:
    """Counts rows and violations; keeps the first violations in full. Turned into a Judgement once, at the end."""

    def __init__(self) -> None:
        self.rows = 0
        self.bad_rows = 0
        self._counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._violations: list[Violation] = []

    def take_row(self, judged: JudgedRow) -> None:
        self.rows += 1
        if judged.violations:
            self.bad_rows += 1
            for violation in judged.violations:
                self._count(violation)
            self._violations.extend(judged.violations[: MAX_VIOLATIONS - len(self._violations)])

    @property
    def full(self) -> bool:
        """No further violation would be listed."""
        return len(self._violations) >= MAX_VIOLATIONS

    def take_clean(self, rows: int) -> None:
        self.rows += rows

    def judgement(self, *faults: Violation, partial: bool = False, splittable: bool = False) -> Judgement:
        """``faults`` condemn the file as a whole; what was seen of its rows stands behind them."""
        for fault in faults:
            self._count(fault)
        return Judgement(
            rows=self.rows,
            bad_rows=self.bad_rows,
            counts={code: dict(columns) for code, columns in self._counts.items()},
            violations=(*faults, *self._violations)[:MAX_VIOLATIONS],
            partial=partial,
            splittable=splittable,
        )

    def _count(self, violation: Violation) -> None:
        self._counts[violation.code][violation.column or ""] += 1
