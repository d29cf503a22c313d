"""The feeds as they were last released, and which changes to them would break senders, tables or files that wait.

``python -m tests.released_feeds`` writes tests/data/released_feeds.json: run it when a release is made, never to get rid of
a refusal. It writes nothing while a change is refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from spark_jobs.contract.column_types import Column, Date, Enumeration, Integer, Number, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.record_lists import Records

PATH = Path(__file__).parent / "data" / "released_feeds.json"
Described = dict[str, Any]
LINE = 120
INSTEAD = "or declare another feed"


def described(feed: Feed) -> Described:
    """What senders, tables and older files rely on, as JSON."""
    return {
        "version": feed.version,
        "file_prefix": feed.file_prefix,
        "table_prefix": feed.table_prefix,
        "key": list(feed.key),
        "newest_by": list(feed.newest_by),
        "not_before": [list(pair) for pair in feed.not_before],
        "future_allowance_hours": feed.future_allowance / timedelta(hours=1),
        "columns": {column.name: _column(column) for column in feed.columns},
    }


def _column(column: Column) -> Described:
    more = {"required": column.required} if column.since is None else {"required": column.required, "since": column.since}
    return _type(column.type) | more


def _type(kind: Any) -> Described:
    match kind:
        case Text(longest, form):
            return {"type": "text", "max_length": longest} | ({"form": form.about, "pattern": form.pattern} if form else {})
        case Date():
            return {"type": "date"}
        case Timestamp(future):
            return {"type": "timestamp", "future": future}
        case Enumeration(values, synonyms, code):
            return {"type": "enumeration", "values": list(values), "synonyms": dict(synonyms), "code": code}
        case Integer(low, high):
            return {"type": "integer", "low": low, "high": high}
        case Number(precision, scale, low, high):
            ends = {"low": low, "high": high}
            shown = {name: str(end) for name, end in ends.items() if end is not None}
            return {"type": "number", "precision": precision, "scale": scale} | shown
        case Records(fields, most):
            return {"type": "records", "max_records": most, "fields": {field.name: _column(field) for field in fields}}
    raise AssertionError(f"{kind} has no description")


def refusals(released: Mapping[str, Described], declared: Mapping[str, Described]) -> list[str]:
    """What of the declared feeds must not be released after the released ones: one sentence each."""
    found = []
    for name, old in released.items():
        if name in declared:
            found += [f"feed {name}: {sentence}" for sentence in _changes(old, declared[name])]
        else:
            found.append(f"feed {name} was removed; its files would be rejected: put it back")
    return found


def _changes(old: Described, new: Described) -> Iterator[str]:
    for what in ("file_prefix", "table_prefix"):
        if new[what] != old[what]:
            yield f"its {what.replace('_', ' ')} was {old[what]} and is {new[what]}; change it back, {INSTEAD}"
    if new["key"] != old["key"]:
        yield f"its key was {', '.join(old['key'])}; rows in the tables are identified by it: change it back, {INSTEAD}"
    if not _in_order(new["newest_by"], old["newest_by"]):
        order = ", ".join(old["newest_by"])
        yield f"newest_by was {order}; rows in the target won by this order: keep it, and put new columns anywhere"
    for pair in new["not_before"]:
        if pair not in old["not_before"] and set(pair) <= old["columns"].keys():
            yield f"{pair[0]} must now not be before {pair[1]}; valid files would become invalid: remove the pair"
    if new["version"] < old["version"]:
        yield f"its version was {old['version']} and is {new['version']}; versions only grow"
    if new["future_allowance_hours"] < old["future_allowance_hours"]:
        yield f"timestamps could be {old['future_allowance_hours']:g} hours in the future; allow at least as much"
    for name, column in new["columns"].items():
        if name not in old["columns"] and not column.get("since", 0) > old["version"]:
            added = old["version"] + 1
            yield f"the new column {name} is in no file of today; declare since={added} and the feed version={added}"
    yield from _columns(old["columns"], new["columns"], "column")


def _columns(old: Described, new: Described, kind: str) -> Iterator[str]:
    for name, column in old.items():
        if name not in new:
            yield f"the {kind} {name} was removed; files that have it would be rejected: put it back"
            continue
        yield from (f"{kind} {name} {sentence}" for sentence in _column_changes(column, new[name]))


def _in_order(new: Iterable[str], old: Iterable[str]) -> bool:
    """Whether what is in both is in the same order."""
    kept, known = set(new), set(old)
    return [name for name in new if name in known] == [name for name in old if name in kept]


def _column_changes(old: Described, new: Described) -> Iterator[str]:
    if new["required"] and not old["required"]:
        yield "was optional and is required; files without a value would become invalid: make it optional"
    if new.get("since") != old.get("since"):
        yield f"had since={old.get('since')} and has since={new.get('since')}; change it back"
    if new["type"] != old["type"]:
        yield f"had the type {old['type']} and has {new['type']}; tables and order depend on it: change it back, {INSTEAD}"
    else:
        yield from _NARROWED.get(old["type"], _same)(old, new)


def _same(old: Described, new: Described) -> Iterator[str]:
    yield from ()


def _text(old: Described, new: Described) -> Iterator[str]:
    if new["max_length"] < old["max_length"]:
        yield f"could have {old['max_length']:,} characters and may have {new['max_length']:,}; allow at least as many"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"must now be {new['form']}; valid texts would become invalid: keep the form as it was"


def _timestamp(old: Described, new: Described) -> Iterator[str]:
    if old["future"] and not new["future"]:
        yield "could be in the future and must not any more; set future=True"


def _enumeration(old: Described, new: Described) -> Iterator[str]:
    if gone := [value for value in old["values"] if value not in new["values"]]:
        yield f"has no value {gone[0]!r} any more; files and tables have it: put it back"
    elif not _in_order(new["values"], old["values"]):
        order = ", ".join(old["values"])
        yield f"had the values in the order {order}; newest wins by it: keep it, and put new values anywhere"
    for text, meant in old["synonyms"].items():
        if new["synonyms"].get(text) != meant and meant in new["values"]:
            yield f"was read as {meant!r} where a file says {text!r}; keep the synonym"
    if new["code"] != old["code"]:
        yield f"had the code {old['code']}; consumers' scripts rely on it: change it back"


def _integer(old: Described, new: Described) -> Iterator[str]:
    if new["low"] > old["low"] or new["high"] < old["high"]:
        before, now = (f"{one['low']:,} to {one['high']:,}" for one in (old, new))
        yield f"could be {before} and may be {now}; allow all that was allowed"


def _number(old: Described, new: Described) -> Iterator[str]:
    digits = [(one["precision"], one["scale"]) for one in (old, new)]
    if digits[0] != digits[1]:
        yield f"was DECIMAL{digits[0]} and is DECIMAL{digits[1]}; tables keep their types: change it back, or add a column"
    for end, sign in (("low", 1), ("high", -1)):
        if end in new and (end not in old or sign * Decimal(new[end]) > sign * Decimal(old[end])):
            yield f"had the bound {end}={old.get(end)} and has {end}={new[end]}; allow all that was allowed"


def _records(old: Described, new: Described) -> Iterator[str]:
    if new["max_records"] < old["max_records"]:
        yield f"could have {old['max_records']:,} records and may have {new['max_records']:,}; allow at least as many"
    if added := [name for name in new["fields"] if name not in old["fields"]]:
        yield f"has the new field {added[0]}; tables keep their types: add a column"
    elif not _in_order(new["fields"], old["fields"]):
        yield f"had the fields in the order {', '.join(old['fields'])}; their text is compared: keep it"
    yield from _columns(old["fields"], new["fields"], "field")


_NARROWED: dict[str, Callable[[Described, Described], Iterator[str]]] = {
    "text": _text,
    "timestamp": _timestamp,
    "enumeration": _enumeration,
    "integer": _integer,
    "number": _number,
    "records": _records,
}


def released() -> dict[str, Described]:
    found: dict[str, Described] = json.loads(PATH.read_text())
    return found


def shown(value: Any, indent: str = "") -> str:
    """JSON with a line for whatever fits into one, so that a column is a line of a diff."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict) or len(indent + line) <= LINE:
        return line
    inner = indent + "  "
    return (
        "{\n" + ",\n".join(f"{inner}{json.dumps(key)}: {shown(one, inner)}" for key, one in value.items()) + f"\n{indent}}}"
    )


def main() -> None:
    declared = {name: described(feed) for name, feed in FEEDS.items()}
    if PATH.exists() and (refused := refusals(released(), declared)):
        sys.exit("\n".join(["Nothing is written, because this would break what was released:", *refused]))
    PATH.write_text(shown(declared) + "\n")


if __name__ == "__main__":
    main()
