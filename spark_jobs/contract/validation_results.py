"""The result of validating one whole file, in the function or in the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from spark_jobs.contract.violations import RULES, Violation

MAX_VIOLATIONS = 1000
"""How many violations are listed in full; the rest are only counted."""


@dataclass(frozen=True)
class ValidationResult:
    """``feed`` is its name; empty if the file's name matches no feed.

    ``counts`` is code -> column (or "" for the whole row or file) -> number, complete even if ``violations`` is
    truncated. ``partial``: validation stopped early (time limit); ``rows`` and ``counts`` then cover only the first part.
    ``splittable``: in the part that was read, every record is one line that ends with LF or CRLF, so lines can be parsed
    in parallel.
    """

    feed: str = ""
    rows: int = 0
    bad_rows: int = 0
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    partial: bool = False
    splittable: bool = False

    @property
    def truncated(self) -> bool:
        return sum(n for columns in self.counts.values() for n in columns.values()) > len(self.violations)

    @property
    def rejecting(self) -> Violation | None:
        """The violation that rejects the whole file, if any."""
        return next((v for v in self.violations if v.row is None and RULES[v.code].whole_file), None)

    def rejected_by(self, violation: Violation) -> ValidationResult:
        """This result with a whole-file violation added, which rejects the file."""
        column = violation.column or ""
        columns = self.counts.get(violation.code, {})
        counts = {**self.counts, violation.code: {**columns, column: columns.get(column, 0) + 1}}
        return replace(self, counts=counts, violations=(violation, *self.violations)[:MAX_VIOLATIONS])


def too_many_bad_rows(rows: int, bad_rows: int, max_ratio: float) -> Violation | None:
    """The whole-file violation for a share of bad rows above ``max_ratio``; None if the share is acceptable."""
    if not rows or bad_rows / rows <= max_ratio:
        return None
    return Violation(
        "too_many_bad_rows",
        f"{bad_rows:,} of {rows:,} rows violate a rule, more than the allowed {max_ratio:.0%}",
    )
