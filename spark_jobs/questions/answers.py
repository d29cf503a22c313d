"""Asks an engine, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from spark_jobs.queries.engine import Engine, NoChanges, NoTable, Scalar
from spark_jobs.questions.catalog import Question

CHANGES_DAYS = 7
"""How far the change feed is read back. VACUUM removes what is older by default."""


@dataclass(frozen=True)
class Answer:
    """Rows of values in the order of the question's columns: str, int, float, Decimal, bool, aware datetime, date or None.
    ``missing``: why there is no answer, for people; the rows are then empty.
    """

    question: Question
    rows: list[tuple[Any, ...]]
    missing: str = ""

    @property
    def total(self) -> int:
        """How many rows there are, of which an answer with a column ``total`` shows the first ones."""
        if self.rows and "total" in self.question.columns:
            return int(self.rows[0][list(self.question.columns).index("total")])
        return len(self.rows)


def parameters_at(now: datetime) -> Mapping[str, Scalar]:
    """What a question's statement may name, at this (aware) time."""
    return {"now": now, "changes_since": now - timedelta(days=CHANGES_DAYS)}


def ask(engine: Engine, question: Question, now: datetime) -> Answer:
    """The answer at ``now`` (aware). A feed without tables has none yet."""
    used = {name: value for name, value in parameters_at(now).items() if f":{name}" in question.statement}
    try:
        rows = engine.rows(question.statement, used)
    except NoTable:
        return Answer(question, [], "no run has created the tables of this feed yet, or you may not read them")
    except NoChanges:
        return Answer(question, [])
    return Answer(question, [tuple(row[name] for name in question.columns) for row in rows])
