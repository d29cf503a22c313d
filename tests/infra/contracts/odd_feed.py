"""A feed with everything that the declared ones lack."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from spark_jobs.contract.column_types import Column, Date, Enumeration, Integer, Number, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records

ODD = Feed(
    name="odd",
    title="odd things",
    about="One row per thing.",
    file_prefix="odd",
    table_prefix="odd",
    version=3,
    future_allowance=timedelta(minutes=90),
    columns=(
        Column("seen_at", Timestamp(), required=True, example="2026-01-31 10:00:00", about="the seen_at"),
        Column("line", Integer(), required=True, example="7", about="the line"),
        Column("day", Date(), required=True, example="2026-01-31", about="the day"),
        Column(
            "size", Enumeration(("small", "large"), code="unknown_value"), required=True, example="large", about="the size"
        ),
        Column("label", Text(10), required=True, example="a|b", about="the label"),
        Column("started_at", Timestamp(future=True), about="the started_at"),
        Column(
            "temperature", Number(4, 1, Decimal("-99.5"), Decimal(99)), example="-1.5", since=2, about="the temperature"
        ),
        Column(
            "parts",
            Records((Column("name", Text(5), example="x"),), 2),
            example='[{"name":"x"}]',
            since=3,
            about="the parts",
        ),
    ),
    key=("size", "line", "day", "label"),
    newest_by=("seen_at", "started_at", "temperature", "parts"),
    not_before=(("started_at", "day"), ("day", "started_at"), ("seen_at", "started_at")),
)
