"""An example file for senders, made of the columns' examples: a full row, and one with only what is required."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from spark_jobs.contract.column_types import Column, Date, Enumeration, Integer
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records, canonical_text
from spark_jobs.contract.values import Fault

DAY = date(2026, 1, 31)
"""The day in the example's file name: examples of timestamps aren't later than the day after."""
ANY_TIME = datetime.max.replace(tzinfo=UTC)
"""Examples may be as late as they like; the tests check them with an arrival."""


def example_name(feed: Feed) -> str:
    return f"{feed.file_prefix}_{DAY:%Y_%m_%d}.csv"


def example_file(feed: Feed) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(feed.column_names)
    writer.writerow([column.example for column in feed.columns])
    writer.writerow([_required_only(feed, column) for column in feed.columns])
    return out.getvalue()


def _required_only(feed: Feed, column: Column) -> str:
    """The value in the second row, which has another key. Statuses are at the beginning of their lifecycle."""
    if not column.required:
        return ""
    if isinstance(column.type, Enumeration):
        return column.type.values[0]
    if isinstance(column.type, Records):
        return _without_optional_fields(column, column.type)
    return next(_others(column), column.example) if column.name in feed.key else column.example


def _without_optional_fields(column: Column, kind: Records) -> str:
    records = kind.parse(column.name, column.example, ANY_TIME)
    if not isinstance(records, list):
        return column.example
    required = {field.name for field in kind.fields if field.required}
    kept = canonical_text([{name: value for name, value in record.items() if name in required} for record in records])
    return kept if isinstance(kind.parse(column.name, kept, ANY_TIME), list) else column.example


def _others(column: Column) -> Iterator[str]:
    """Valid values that resemble the column's example, but differ from it."""
    text = column.example
    for other in _candidates(column, text):
        if other != text and not isinstance(column.type.parse(column.name, other, ANY_TIME), Fault):
            yield other


def _candidates(column: Column, text: str) -> Iterator[str]:
    if isinstance(column.type, Date):
        yield str(date.fromisoformat(text) + timedelta(days=1))
    elif isinstance(column.type, Integer):
        yield from (str(int(text) + 1), str(int(text) - 1))
    else:
        yield re.sub(r"\d+(?=\D*$)", lambda number: str(int(number[0]) + 1).zfill(len(number[0])), text)
        yield text + "2"
