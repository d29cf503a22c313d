"""Ranges of numbers as regular expressions, compared with arithmetic and with the contract."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import re2  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from functions.validation.number_patterns import decimals, padded_numbers, whole_numbers
from spark_jobs.contract.column_types import Number

_numbers = st.integers(-200, 200) | st.integers(-(2**63), 2**63 - 1)


@given(st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 9999))
def test_padded_numbers_matches_exactly_its_range(one: int, other: int, probe: int) -> None:
    low, high = sorted((one, other))
    assert bool(re2.fullmatch(padded_numbers(low, high, 4), f"{probe:04}")) is (low <= probe <= high)


@given(_numbers, _numbers, _numbers)
def test_whole_numbers_matches_exactly_its_range_without_leading_zeros(one: int, other: int, probe: int) -> None:
    low, high = sorted((one, other))
    pattern = re2.compile(whole_numbers(low, high))
    for near in (probe, low - 1, low, low + 1, high - 1, high, high + 1):
        assert bool(pattern.fullmatch(str(near))) is (low <= near <= high)
        assert not pattern.fullmatch(f"0{near}")
    assert not pattern.fullmatch("")


@given(st.data())
def test_decimals_matches_only_what_the_contract_reads_and_every_usual_spelling(data: st.DataObject) -> None:
    precision = data.draw(st.integers(1, 38))
    scale = data.draw(st.integers(0, min(precision, 6)))
    bounds = st.none() | st.decimals(-300, 300, places=2)
    low, high = data.draw(bounds), data.draw(bounds)
    pattern = re2.compile(decimals(low, high, 10 ** (precision - scale) - 1, scale))
    kind = Number(precision, scale, low, high)
    for text in data.draw(st.lists(st.from_regex(r"\A-?[0-9]{1,4}(\.[0-9]{1,7})?\Z"), min_size=5, max_size=20)):
        read = kind.parse("amount", text, datetime.max.replace(tzinfo=UTC))
        if pattern.fullmatch(text):
            assert isinstance(read, Decimal), (kind, text)
        elif isinstance(read, Decimal):
            near = [bound for bound in (low, high) if bound is not None and abs(bound - read) < 1]
            assert near or "-0" in text, (kind, text)
