"""A list of records in one field: a JSON array of objects with declared fields. Validated as strictly as everything else.

Python's JSON parser reads the text, with every number as it is written; what it would accept silently (duplicate names,
NaN, lone surrogates) is a fault here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from typing import Any

from spark_jobs.contract.column_types import Column, Integer, Number, validate_value
from spark_jobs.contract.values import CONTROLS, WHITE_SPACE, Fault, Value

_FORBIDDEN = re.compile(f"[{CONTROLS}\ud800-\udfff]")
_NO_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^\[\]{}"]++', re.DOTALL)
_MAX_DEPTH = 64
_MAX_FOUND = 200


class _NumberText(str):
    """A JSON number, as it is written."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, with names that occur twice."""


class _NotJson(ValueError):
    pass


def _refuse(constant: str) -> None:
    raise _NotJson(constant)


_read = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_NumberText, parse_float=_NumberText, parse_constant=_refuse
).decode


@dataclass(frozen=True)
class Records:
    """A JSON array of 1 to ``max_records`` objects. ``fields``: scalar columns. A field that is null, empty or absent is
    missing; numbers are JSON numbers, everything else JSON strings."""

    fields: tuple[Column, ...]
    max_records: int

    @property
    def sql(self) -> str:
        return f"ARRAY<STRUCT<{', '.join(f'{field.name}: {field.type.sql}' for field in self.fields)}>>"

    @property
    def shortest(self) -> int:
        return len("[]") + self.shortest_record

    @property
    def shortest_record(self) -> int:
        """Bytes of the shortest record."""
        required = [field for field in self.fields if field.required]
        return len("{}") + sum(len(f'"{field.name}":,') + field.type.shortest for field in required) - bool(required)

    @property
    def about(self) -> str:
        return f"JSON array of 1 to {self.max_records:,} objects"

    @property
    def codes(self) -> tuple[str, ...]:
        own = ("bad_json", "wrong_type", "record_count", "unknown_field", "duplicate_field", "control_character")
        required = ("required",) if any(field.required for field in self.fields) else ()
        return own + required + tuple(code for field in self.fields for code in field.type.codes)

    def parse(self, column: str, text: str, latest: datetime) -> Value | Fault:
        try:
            value = self._parse(column, text, latest)
        except RecursionError:
            value = None
        if value is None or (isinstance(value, Fault) and _nested_deeply(text)):
            return Fault("bad_json", column, text, "arrays or objects are nested too deeply")
        return value

    def _parse(self, column: str, text: str, latest: datetime) -> Value | Fault:
        try:
            found = _read(text)
        except ValueError as error:
            detail = (
                f"{error.msg} at character {error.pos + 1:,}"
                if isinstance(error, json.JSONDecodeError)
                else f"{error} is not JSON"
            )
            return Fault("bad_json", column, text, detail)
        if type(found) is not list:
            return Fault("wrong_type", column, text, "a JSON array of objects")
        if not 1 <= len(found) <= self.max_records:
            return Fault("record_count", column, text, f"{len(found):,} entries; 1 to {self.max_records:,} are allowed")
        records = []
        for at, record in enumerate(found):
            place = f"{column}[{at}]"
            if type(record) is not _Pairs:
                return Fault("wrong_type", column, _shown(record), "a JSON object", place)
            values = self._record(column, place, record, latest)
            if isinstance(values, Fault):
                return values
            records.append(values)
        return records

    def _record(self, column: str, place: str, record: _Pairs, latest: datetime) -> dict[str, Value] | Fault:
        given = dict(record)
        if len(given) < len(record) or not given.keys() <= self._names:
            return self._wrong_name(column, place, record)
        values: dict[str, Value] = {}
        for field in self.fields:
            value = _value(field, given.get(field.name), latest)
            if isinstance(value, Fault):
                return value._replace(column=column, place=f"{place}.{field.name}")
            values[field.name] = value
        return values

    def _wrong_name(self, column: str, place: str, record: _Pairs) -> Fault:
        seen: set[str] = set()
        for name, _ in record:
            if name not in self._names:
                names = ", ".join(field.name for field in self.fields)
                return Fault("unknown_field", column, _shown(name), f"an object with the fields {names}", place)
            if name in seen:
                return Fault("duplicate_field", column, name, None, f"{place}.{name}")
            seen.add(name)
        raise AssertionError("every name is known and occurs once")

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields)


def _nested_deeply(text: str) -> bool:
    """Whether a text has deeply nested brackets. The parser's own limit depends on its caller's stack, but the fault that
    function and job report must not."""
    if text.count("[") + text.count("{") <= _MAX_DEPTH:
        return False
    steps = (1 if bracket in "[{" else -1 for bracket in _NO_BRACKETS.sub("", text))
    return any(depth > _MAX_DEPTH for depth in accumulate(steps))


def _value(field: Column, given: Any, latest: datetime) -> Value | Fault:
    if given is None:
        return validate_value(field, "", latest)
    if isinstance(field.type, (Integer, Number)):
        if type(given) is not _NumberText:
            return Fault("wrong_type", field.name, _shown(given), "a JSON number")
        return validate_value(field, str(given), latest)
    if type(given) is not str:
        return Fault("wrong_type", field.name, _shown(given), "a JSON string")
    if control := _FORBIDDEN.search(given):
        return Fault("control_character", field.name, _shown(given), ord(control.group()))
    return validate_value(field, given.strip(WHITE_SPACE), latest)


def _shown(value: object) -> str:
    """A JSON value as text that can be encoded, not much longer than what is shown of it."""
    text = value if isinstance(value, str) else "null" if value is None else json.dumps(_plain(value))
    return text[:_MAX_FOUND].encode("utf-8", "backslashreplace").decode()


def _plain(value: object) -> object:
    return {} if isinstance(value, _Pairs) else [] if isinstance(value, list) else value


def canonical_text(records: list[dict[str, Value]]) -> str:
    """Lists of records with equal content have equal texts: JSON in declared order, without missing fields and blanks.

    Spark's ``to_json`` writes the same (`spark_jobs.reading.batch_summary.rank_columns`).
    """
    return f"[{','.join(_canonical_record(record) for record in records)}]"


def _canonical_record(record: dict[str, Value]) -> str:
    return (
        f"{{{','.join(f'{json.dumps(name)}:{_canonical(value)}' for name, value in record.items() if value is not None)}}}"
    )


def _canonical(value: Value) -> str:
    if isinstance(value, (int, Decimal)):
        return str(value)
    return json.dumps(str(value) if isinstance(value, date) else value, ensure_ascii=False)
