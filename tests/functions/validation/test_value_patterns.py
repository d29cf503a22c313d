"""Patterns of values may match only texts that the contract's ``parse`` accepts, and must match the usual ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
import re2  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.validation.value_patterns import MISSING, counted, list_pattern, quoted_or_bare, text, value
from spark_jobs.contract.column_types import CURRENCY, EMAIL, Column, ColumnType, Form, Integer, Text
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.values import WHITE_SPACE, Fault
from tests.functions.validation import declared_feeds

LATEST = datetime(2026, 2, 2, 12, tzinfo=UTC)


def pattern(kind: ColumnType) -> str:
    match kind:
        case Text(max_length, None):
            return text(min(max_length, 999), "")
        case Records():
            return list_pattern(kind, LATEST)
    return quoted_or_bare(value(kind, LATEST))


def as_field(plain: str, kind: ColumnType) -> str:
    quote = isinstance(kind, Records) or set(plain) & set(',"\r\n')
    return '"' + plain.replace('"', '""') + '"' if quote else plain


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_pattern_matches_only_what_the_contract_accepts(data: st.DataObject) -> None:
    kind = data.draw(declared_feeds.types)
    compiled = re2.compile(pattern(kind))
    for plain in data.draw(st.lists(declared_feeds.odd(kind) | declared_feeds.usual(kind), max_size=12)):
        if compiled.fullmatch(as_field(plain, kind).encode()):
            assert plain.strip(WHITE_SPACE)
            found = kind.parse("c", plain.strip(WHITE_SPACE), LATEST)
            # Where the pattern doesn't count records, the length of the line bounds them (`clean_rows`).
            uncounted = isinstance(kind, Records) and not counted(kind)
            assert not isinstance(found, Fault) or (uncounted and found.code == "record_count"), (kind, plain)
        assert not compiled.fullmatch(f'"{plain}"x'.encode())


@pytest.mark.parametrize("form", [EMAIL, CURRENCY])
def test_what_is_plain_has_the_form_and_is_not_longer_than_declared(form: Form) -> None:
    assert re._parser.parse(form.plain).getwidth()[1] == form.plain_length  # type: ignore[attr-defined]

    @given(st.from_regex(form.plain, fullmatch=True))
    def check(plain: str) -> None:
        assert form.matches(plain)
        assert re.fullmatch("[A-Za-z0-9.@_+-]+", plain)

    check()
    assert re2.fullmatch(value(Text(form.plain_length, form), LATEST), "EUR" if form is CURRENCY else "ada@example.com")
    assert not re2.fullmatch(value(Text(form.plain_length - 1, form), LATEST), "EUR" if form is CURRENCY else "a@b")


def record(*names: str) -> str:
    return "{" + ",".join(f'""{name}"":1' for name in names) + "}"


@pytest.mark.parametrize(
    ("required", "matching", "others"),
    [
        ("b", [("a", "b", "c"), ("a", "b"), ("b", "c"), ("b",)], [("a",), ("b", "a"), ("b", "b"), (), ("b", "d")]),
        ("ac", [("a", "b", "c"), ("a", "c")], [("a", "b"), ("c",), ("a", "c", "b")]),
        ("", [("a", "b", "c"), ("a", "c"), ("a",)], [("b",), ()]),
    ],
)
def test_optional_fields_of_a_record_may_be_absent(
    required: str, matching: list[tuple[str, ...]], others: list[tuple[str, ...]]
) -> None:
    fields = tuple(Column(name, Integer(0, 9), required=name in required) for name in "abc")
    compiled = re2.compile(list_pattern(Records(fields, 2), LATEST))
    for names in matching:
        assert compiled.fullmatch(f'"[{record(*names)}]"')
        assert compiled.fullmatch(f'"[{record(*names)}, {record(*names)}]"')
        assert not compiled.fullmatch(f'"[{",".join([record(*names)] * 3)}]"')
    for names in others:
        assert not compiled.fullmatch(f'"[{record(*names)}]"')


def test_missing_is_nothing_one_blank_or_two_quotes() -> None:
    assert [found for found in ("", " ", "\t", '""', "  ", '"') if re2.fullmatch(MISSING, found)] == ["", " ", "\t", '""']
