"""What was found in one whole file, by whichever side judged it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spark_jobs.contract.violations import RULES, Violation

MAX_VIOLATIONS = 1000
"""Violations kept in full; beyond them only the counts go on."""


@dataclass(frozen=True)
class ValidationResult:
    """``counts`` is code -> column (or "" for the row or file as a whole) -> number, complete even where ``violations``
    is cut. ``partial``: judging stopped early (time budget); ``rows`` and ``counts`` then cover only what was seen.
    ``splittable``: as far as seen, every record is one line ended by LF or CRLF, so lines may be parsed in parallel.
    """

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
        """The violation that condemns the whole file, if there is one."""
        return next((v for v in self.violations if v.row is None and RULES[v.code].whole_file), None)


def too_many_bad_rows(rows: int, bad_rows: int, max_ratio: float) -> Violation | None:
    """The whole-file violation for a share of bad rows above ``max_ratio``; None where the share is tolerable."""
    if not rows or bad_rows / rows <= max_ratio:
        return None
    return Violation(
        "too_many_bad_rows",
        f"{bad_rows:,} of {rows:,} rows break a rule, more than the {max_ratio:.0%} that may be set aside",
    )
