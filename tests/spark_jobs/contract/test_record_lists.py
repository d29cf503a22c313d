"""Lists of records: what is valid JSON to the contract, where a fault is, and that hostile JSON costs little."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_jobs.contract.column_types import Column, Date, Enumeration, Integer, Number, Text
from spark_jobs.contract.record_lists import Records, canonical_text
from spark_jobs.contract.records import MAX_RECORD_BYTES
from spark_jobs.contract.values import Fault
from spark_jobs.contract.violations import RULES
from tests import oracle
from tests.strategies import good_values

LATEST = datetime(2026, 2, 2, 12, tzinfo=UTC)
LINES = Records(
    (
        Column("product", Text(8), required=True),
        Column("pieces", Integer(1, 99), required=True),
        Column("price", Number(5, 2)),
        Column("size", Enumeration(("small", "large"), code="unknown_value")),
        Column("day", Date()),
    ),
    3,
)
FIRST = '{"product": "P", "pieces": 1}'
fuzzing = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def parsed(text: str, kind: Records = LINES) -> Any:
    return kind.parse("items", text, LATEST)


def test_a_list_is_read_with_all_declared_fields_in_their_order() -> None:
    text = """[ {"pieces" : 2, "product":" \\u0050\\ud83d\\ude00 ", "price":1.1, "size":"LARGE", "day":"2026-01-31"},
        {"product":"Q\\n","pieces":99}, {"product":"R","pieces":3,"price":null,"size":"","day":" "} ]"""
    assert parsed(text) == [
        {"product": "P😀", "pieces": 2, "price": Decimal("1.10"), "size": "large", "day": date(2026, 1, 31)},
        {"product": "Q", "pieces": 99, "price": None, "size": None, "day": None},
        {"product": "R", "pieces": 3, "price": None, "size": None, "day": None},
    ]
    assert list(parsed(f"[{FIRST}]")[0]) == ["product", "pieces", "price", "size", "day"]


@pytest.mark.parametrize(
    ("record", "code", "place"),
    [
        ("null", "wrong_type", ""),
        ("7", "wrong_type", ""),
        ("[]", "wrong_type", ""),
        ('"x"', "wrong_type", ""),
        ("{}", "required", ".product"),
        ('{"pieces": 1}', "required", ".product"),
        ('{"product": null, "pieces": 1}', "required", ".product"),
        ('{"product": " \\n", "pieces": 1}', "required", ".product"),
        ('{"product": 7, "pieces": 1}', "wrong_type", ".product"),
        ('{"product": {}, "pieces": 1}', "wrong_type", ".product"),
        ('{"product": true, "pieces": 1}', "wrong_type", ".product"),
        ('{"product": "123456789", "pieces": 1}', "too_long", ".product"),
        ('{"product": "a\\u0000", "pieces": 1}', "control_character", ".product"),
        ('{"product": "\\u001f", "pieces": 1}', "control_character", ".product"),
        ('{"product": "\\ud800", "pieces": 1}', "control_character", ".product"),
        ('{"product": "\\udc00\\ud800", "pieces": 1}', "control_character", ".product"),
        ('{"product": "P"}', "required", ".pieces"),
        ('{"product": "P", "pieces": null}', "required", ".pieces"),
        ('{"product": "P", "pieces": "1"}', "wrong_type", ".pieces"),
        ('{"product": "P", "pieces": ""}', "wrong_type", ".pieces"),
        ('{"product": "P", "pieces": true}', "wrong_type", ".pieces"),
        ('{"product": "P", "pieces": [1]}', "wrong_type", ".pieces"),
        ('{"product": "P", "pieces": 0}', "out_of_range", ".pieces"),
        ('{"product": "P", "pieces": -1}', "out_of_range", ".pieces"),
        ('{"product": "P", "pieces": 1' + "0" * 5000 + "}", "out_of_range", ".pieces"),
        ('{"product": "P", "pieces": 1.0}', "bad_number", ".pieces"),
        ('{"product": "P", "pieces": 1e1}', "bad_number", ".pieces"),
        ('{"product": "P", "pieces": 1E99999}', "bad_number", ".pieces"),
        ('{"product": "P", "pieces": 1, "price": 1.234}', "out_of_range", ".price"),
        ('{"product": "P", "pieces": 1, "price": 1000}', "out_of_range", ".price"),
        ('{"product": "P", "pieces": 1, "price": 1.5e0}', "bad_number", ".price"),
        ('{"product": "P", "pieces": 1, "size": "huge"}', "unknown_value", ".size"),
        ('{"product": "P", "pieces": 1, "day": "2026-02-30"}', "bad_date", ".day"),
        ('{"product": "P", "pieces": 1, "colour": "red"}', "unknown_field", ""),
        ('{"product": "P", "pieces": 1, "Price": 1}', "unknown_field", ""),
        ('{"product": "P", "pieces": 1, "\\ud800": 1}', "unknown_field", ""),
        ('{"product": "P", "pieces": 1, "": {"a": [[[]]]}}', "unknown_field", ""),
        ('{"product": "P", "pieces": 1, "pieces": 1}', "duplicate_field", ".pieces"),
        ('{"product": "P", "pieces": 1, "pi\\u0065ces": 1}', "duplicate_field", ".pieces"),
    ],
)
def test_a_fault_in_a_record_names_its_place(record: str, code: str, place: str) -> None:
    for at, text in enumerate((f"[{record}]", f"[{FIRST}, {record}]", f"[{FIRST}, {FIRST}, {record}]")):
        fault = parsed(text)
        assert isinstance(fault, Fault)
        assert (fault.code, fault.column, fault.place) == (code, "items", f"items[{at}]{place}")
        (fault.found or "").encode()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "record_count"),
        (f"[{FIRST}, {FIRST}, {FIRST}, {FIRST}]", "record_count"),
        *((text, "wrong_type") for text in ("{}", "null", "true", "7", '"[]"', FIRST)),
        *(
            (text, "bad_json")
            for text in ("[", "]", "[{}", "[{},]", "[,]", "[{} {}]", "['a']", "[{a: 1}]", "[NaN]", "-Infinity")
        ),
        *(
            (text, "bad_json")
            for text in ("\ufeff[{}]", "[{}]\u00a0", "[{}] x", "[// c\n{}]", '[{"a":01}]', '[{"a":+1}]', "nul")
        ),
        *(
            (text, "bad_json")
            for text in ('[{"a":.5}]', '[{"a":1.}]', '[{"a":"\n"}]', '[{"a":"\\x"}]', '[{"a":"\\u12"}]', '["')
        ),
        *(
            (text, "bad_json")
            for text in ('[{"a":1,}]', '[{"a"}]', "[{1:2}]", '[{"a":"\\u00zz"}]', '[{"a":٣}]', "[{'product':1}]")
        ),
    ],
)
def test_a_fault_of_the_whole_list(text: str, code: str) -> None:
    fault = parsed(text)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.column, fault.place) == (code, "items", None)
    assert not RULES[code].whole_file


LONGEST = MAX_RECORD_BYTES
HOSTILE = {
    "opening brackets": "[" * LONGEST,
    "10,000 arrays in each other": "[" * 10_000 + "]" * 10_000,
    "half a million arrays in each other": "[" * (LONGEST // 2) + "]" * (LONGEST // 2),
    "10,000 objects in each other": '[{"a":' * 10_000 + "1" + "}]" * 10_000,
    "half a million numbers": "[" + "0," * (LONGEST // 2 - 2) + "0]",
    "350,000 empty objects": "[" + "{}," * (LONGEST // 3 - 2) + "{}]",
    "350,000 empty arrays": "[" + "[]," * (LONGEST // 3 - 2) + "[]]",
    "one field 200,000 times": "[{" + '"a":1,' * (LONGEST // 6 - 2) + '"a":1}]',
    "100,000 different fields": "[{" + ",".join(f'"{n:x}":1' for n in range(100_000)) + "}]",
    "100,000 records of one unknown field": "[" + ",".join(['{"a":0}'] * 100_000) + "]",
    "a megabyte of digits": '[{"product":"P","pieces":' + "9" * (LONGEST - 40) + "}]",
    "a megabyte of decimals": '[{"product":"P","pieces":1,"price":0.' + "0" * (LONGEST - 60) + "}]",
    "a huge exponent": '[{"product":"P","pieces":1,"price":1e' + "9" * (LONGEST - 60) + "}]",
    "a megabyte of escapes": '[{"product":"' + "\\u0000" * (LONGEST // 6 - 10) + '","pieces":1}]',
    "a megabyte of backslashes": '["' + "\\" * (LONGEST - 4),
    "a megabyte of blanks": "[" + " " * (LONGEST - 2) + "]",
    "a name of a megabyte": '[{"' + "x" * (LONGEST - 10) + '":1}]',
    "quotes": '"' * LONGEST,
    "NaNs": "[" + "NaN," * 200_000 + "NaN]",
}


MANY = Records(LINES.fields, 10_000)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_megabyte_is_a_fault_within_seconds(what: str) -> None:
    started = time.process_time()
    fault = parsed(HOSTILE[what], MANY)
    assert time.process_time() - started < 5
    assert isinstance(fault, Fault)


@pytest.mark.parametrize("what", ["half a million numbers", "350,000 empty objects", "one field 200,000 times"])
def test_a_hostile_megabyte_takes_bounded_memory(what: str) -> None:
    tracemalloc.start()
    assert isinstance(parsed(HOSTILE[what], MANY), Fault)
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert highest < 64 * 1024 * 1024


@pytest.mark.parametrize("depth", [60, 500, 900, 1000, 10_000])
def test_nested_too_deeply_is_the_same_fault_wherever_it_is_read(depth: int) -> None:
    """Function and job call the contract from stacks of different depths, and their reports must be equal."""

    def from_depth(frames: int) -> object:
        return from_depth(frames - 1) if frames else parsed(text)

    for text in ("[" * depth + "]" * depth, "[" * depth, f'[{{"product": {"[" * depth}{"]" * depth}}}]'):
        assert from_depth(0) == from_depth(300)
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(parsed(text)))  # noqa: B023
        thread.start()
        thread.join()
        assert found == [parsed(text)]


@given(st.lists(good_values(Column("items", LINES, required=True)), min_size=2, max_size=2))
@fuzzing
def test_lists_have_the_same_canonical_text_if_and_only_if_their_content_is_the_same(texts: list[str]) -> None:
    one, other = (parsed(text) for text in texts)
    if isinstance(one, Fault) or isinstance(other, Fault):
        return
    assert (canonical_text(one) == canonical_text(other)) is (one == other)
    assert canonical_text(one) == oracle.canonical(one)
    assert parsed(canonical_text(one)) == one
    assert len(json.loads(canonical_text(one))) == len(one)


def test_the_canonical_text_is_json_in_declared_order_without_blanks_and_missing_fields() -> None:
    first = '{"pieces": 2, "price": 1.5, "product": "\\u00e9\\"\\\\\\n/\\u2028\\u007f"}'
    text = f"[{first}" + ', {"day": "2026-01-31", "pieces": 1, "product": "P"}]'
    assert canonical_text(parsed(text)) == (
        '[{"product":"é\\"\\\\\\n/\u2028\x7f","pieces":2,"price":1.50},{"product":"P","pieces":1,"day":"2026-01-31"}]'
    )
