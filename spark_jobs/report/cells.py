"""A value of an answer as a cell of a table. Needs the wheel's extra ``report``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from spark_jobs.questions.catalog import ColumnType
from spark_jobs.report.values import as_json, as_text

LONG = 28
"""A text of more characters is wrapped, anywhere: it may be one word."""
MAX_SHOWN = 400
"""Characters of a text in a table; the JSON has all."""
_NONE = Markup('<td class="none">–<span class="unseen">none</span></td>')
_NO_NUMBER = Markup('<td class="none number">–<span class="unseen">none</span></td>')


def as_cell(value: Any, kind: ColumnType) -> Markup:
    """A ``<td>``: a number with separators for thousands, a time to the second; both have the exact value as well."""
    shown = as_text(value)
    match value:
        case None:
            return _NO_NUMBER if kind == "number" else _NONE
        case datetime():
            return Markup('<td><time datetime="{}">{}</time></td>').format(as_json(value), shown)
        case int() | float() | Decimal() if not isinstance(value, bool):
            return Markup('<td class="number"><data value="{}">{}</data></td>').format(as_json(value), shown)
    cut = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
    if len(shown) > LONG:
        return Markup('<td class="long">{}</td>').format(cut)
    return Markup("<td>{}</td>").format(cut)
