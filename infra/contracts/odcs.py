"""A feed as a contract in the Open Data Contract Standard, version 3.1.0. It describes the target table.

What the standard has no field for is in customProperties.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import yaml

from infra.contracts.example import ANY_TIME
from infra.contracts.page import declaration
from spark_jobs.contract.column_types import Column, Date, Enumeration, Integer, Number, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.values import Value

API_VERSION = "v3.1.0"
_Fields = dict[str, Any]


def odcs_text(feed: Feed) -> str:
    about = f"# Written by `make contracts` from {declaration(feed)}: edit that instead.\n"
    return about + yaml.safe_dump(odcs(feed), sort_keys=False, allow_unicode=True, width=120)


def odcs(feed: Feed) -> _Fields:
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": feed.name,
        "name": feed.title,
        "version": str(feed.version),
        "status": "active",
        "description": {
            "purpose": feed.about,
            "usage": "Files in CSV are merged into the table, which has the newest row of each key.",
            "authoritativeDefinitions": [
                {"url": f"{feed.name}.md", "type": "businessDefinition", "description": "the page for senders"},
                {"url": "../contract.md", "type": "businessDefinition", "description": "the rules that all feeds share"},
            ],
        },
        "schema": [
            {
                "name": feed.name,
                "logicalType": "object",
                "physicalName": f"{feed.table_prefix}_target",
                "physicalType": "table",
                "businessName": feed.title,
                "description": feed.about,
                "dataGranularityDescription": f"one row per {', '.join(feed.key)}",
                "properties": [_column(feed, column) for column in feed.columns],
                "customProperties": _custom(newestBy=_newest_by(feed), notBefore=_not_before(feed)),
            }
        ],
        "customProperties": _custom(fileNamePattern=feed.file_pattern, tablePrefix=feed.table_prefix),
    }


def _custom(**values: object) -> list[_Fields]:
    """Without those that are empty."""
    return [{"property": name, "value": value} for name, value in values.items() if value not in (None, [], {})]


def _newest_by(feed: Feed) -> list[_Fields]:
    return [{"column": name, "compare": _comparison(feed.column(name))} for name in feed.newest_by]


def _comparison(column: Column) -> str:
    match column.type:
        case Timestamp():
            return "as timestamp"
        case Enumeration():
            return "by rank in validValues"
        case Records():
            return "as JSON text without missing fields"
    return "as text"


def _not_before(feed: Feed) -> list[_Fields]:
    return [{"later": later, "earlier": earlier} for later, earlier in feed.not_before]


def _column(feed: Feed, column: Column) -> _Fields:
    described = _property(feed, column)
    if column.name not in feed.key:
        return described
    name = {"name": described.pop("name")}
    key = {"primaryKey": True, "primaryKeyPosition": feed.key.index(column.name) + 1, "unique": len(feed.key) == 1}
    return name | key | described


def _property(feed: Feed, column: Column) -> _Fields:
    described = {"name": column.name, **_typed(column), "required": column.required}
    if column.about:
        described["description"] = column.about
    if column.example:
        described["examples"] = [_sample(column)]
    custom = described.pop("customProperties", []) + _custom(sinceVersion=column.since)
    match column.type:
        case Timestamp(future=False):
            custom += _custom(secondsAllowedAfterArrival=int(feed.future_allowance.total_seconds()))
        case Records(fields):
            struct = column.type.sql.removeprefix("ARRAY<").removesuffix(">")
            properties = [_property(feed, field) for field in fields]
            described["items"] = {"logicalType": "object", "physicalType": struct, "properties": properties}
    return described | ({"customProperties": custom} if custom else {})


def _typed(column: Column) -> _Fields:
    """The fields that describe the type."""
    kind = column.type
    match kind:
        case Text(max_length, form):
            options: _Fields = {"minLength": 1, "maxLength": max_length}
            if form:
                options["pattern"] = f"^(?:{form.pattern})$"
            more = {"customProperties": _custom(form=form.about)} if form else {}
            return _of("string", kind.sql, options) | more
        case Date():
            return _of("date", kind.sql, {"format": "yyyy-MM-dd"})
        case Timestamp():
            options = {"format": "yyyy-MM-dd HH:mm:ss[.SSSSSS][XXX]", "timezone": True, "defaultTimezone": "Etc/UTC"}
            return _of("timestamp", kind.sql, options)
        case Enumeration(values, synonyms):
            check = {"type": "library", "metric": "invalidValues", "arguments": {"validValues": list(values)}, "mustBe": 0}
            return _of("string", kind.sql) | {"quality": [check], "customProperties": _custom(synonyms=dict(synonyms))}
        case Integer(low, high):
            return _of("integer", kind.sql, {"format": "i64", "minimum": low, "maximum": high})
        case Number(precision, scale, low, high):
            bounds = {"minimum": low, "maximum": high}
            options = {name: _number(bound) for name, bound in bounds.items() if bound is not None}
            custom = _custom(precision=precision, scale=scale)
            return _of("number", kind.sql, options | {"multipleOf": _number(Decimal(1).scaleb(-scale))}) | {
                "customProperties": custom
            }
        case Records(_, max_records):
            return _of("array", kind.sql, {"minItems": 1, "maxItems": max_records})
    raise AssertionError(f"{type(kind).__name__} has no form in the standard")


def _of(logical: str, physical: str, options: _Fields | None = None) -> _Fields:
    return {"logicalType": logical, "physicalType": physical} | ({"logicalTypeOptions": options} if options else {})


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


def _sample(column: Column) -> object:
    """The column's example; numbers and lists as such."""
    value = column.type.parse(column.name, column.example, ANY_TIME)
    return _plain(value) if isinstance(value, (int, Decimal, list)) else column.example


def _plain(value: Value) -> object:
    match value:
        case list():
            return [{name: _plain(one) for name, one in record.items()} for record in value]
        case Decimal():
            return _number(value)
        case date():
            return str(value)
    return value
