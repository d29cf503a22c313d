"""The messages of a feed's changes as a JSON Schema. It has the types and not the feed's rules, because people can write
anything that fits a column into the target by hand, and that is published, too."""

from __future__ import annotations

import json
from typing import Any

from infra.contracts.page import declaration
from spark_jobs.contract.changes import CHANGE, MESSAGE_VERSION, SNAPSHOT
from spark_jobs.contract.column_types import Column, Date, Integer, Number, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records

_Fields = dict[str, Any]
_MOMENT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$"


def change_schema_text(feed: Feed) -> str:
    return json.dumps(change_schema(feed), ensure_ascii=False, indent=2) + "\n"


def change_schema(feed: Feed) -> _Fields:
    row = {"anyOf": [{"$ref": "#/$defs/row"}, {"type": "null"}]}
    change = {
        "key": _object({name: _value(feed.column(name)) for name in feed.key}),
        "before": row,
        "after": row,
        "changed": {"type": "array", "items": {"enum": list(feed.column_names)}, "description": "columns that differ"},
        "backwards": {"type": "boolean", "description": "whether the status moved back in its lifecycle"},
        "file_id": {"type": ["string", "null"], "description": "file that `after` came from"},
        "row_number": {"type": ["integer", "null"], "description": "row in that file; 1 is the first after the header"},
    }
    snapshot = {"rows": {"type": "integer", "description": "rows of the table, which follow"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Written by `make contracts` from {declaration(feed)}: edit that instead.",
        "title": f"A change of {feed.title}",
        "description": "The body of a message on the topic of changes (docs/live.md). New fields and columns may appear.",
        "oneOf": [_message(feed, CHANGE, change), _message(feed, SNAPSHOT, snapshot)],
        "$defs": {
            "row": _object(
                {column.name: _value(column) for column in feed.columns},
                required=[column.name for column in feed.columns if column.since is None],
            )
        },
    }


def _message(feed: Feed, kind: str, fields: _Fields) -> _Fields:
    shared = {
        "schema_version": {"const": MESSAGE_VERSION},
        "kind": {"const": kind},
        "feed": {"const": feed.name},
        "commit_version": {"type": "integer", "description": "version of the target; consumers keep the highest of a key"},
        "committed_at": {"type": "string", "pattern": _MOMENT},
        "event_id": {"type": "string", "description": "the same whenever this message is published again"},
    }
    return _object(shared | fields)


def _object(fields: _Fields, required: list[str] | None = None) -> _Fields:
    return {"type": "object", "properties": fields, "required": list(fields) if required is None else required}


def _value(column: Column) -> _Fields:
    return _type(column) | ({"description": column.about} if column.about else {})


def _type(column: Column) -> _Fields:
    match column.type:
        case Integer():
            return {"type": ["integer", "null"]}
        case Number(_, scale):
            decimals = rf"\.\d{{{scale}}}" if scale else ""
            return {"type": ["string", "null"], "pattern": rf"^-?\d+{decimals}$"}
        case Date():
            return {"type": ["string", "null"], "pattern": r"^\d{4}-\d{2}-\d{2}$"}
        case Timestamp():
            return {"type": ["string", "null"], "pattern": _MOMENT}
        case Records(fields):
            return {"type": ["array", "null"], "items": _object({field.name: _value(field) for field in fields})}
    return {"type": ["string", "null"]}
