"""Reports: valid by the schema in docs/, with a summary that says what to fix."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings

from functions.validation.upload import validate_upload
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS, ORDER_TRACKING
from spark_jobs.contract.reports import REPORT_VERSION, build_report
from spark_jobs.contract.validation_results import MAX_VIOLATIONS, ValidationResult
from spark_jobs.contract.violations import RULES, Violation
from tests.strategies import ARRIVAL, NAME, files

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def report(content: bytes, feed: Feed = ORDER_TRACKING, **more: Any) -> dict[str, Any]:
    name = f"{feed.file_prefix}_2026_01_31.csv"
    result = validate_upload(io.BytesIO(content), name=name, arrival=ARRIVAL, max_bad_row_ratio=0.1, **more)
    return build_report(f"bucket/source/{name}#7", result, seconds=0.1234, arrival=ARRIVAL)


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_the_report_of_any_file_is_valid_and_names_its_feed(feed: Feed) -> None:
    @given(files(feed, max_rows=6))
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    def any_file(content: bytes) -> None:
        made = report(content, feed)
        VALIDATOR.validate(json.loads(json.dumps(made)))
        assert made["feed"] == feed.name

    any_file()


def test_the_report_of_a_file_of_no_feed_names_none() -> None:
    result = validate_upload(io.BytesIO(), name="x.csv", arrival=ARRIVAL, max_bad_row_ratio=0.1)
    made = build_report("x.csv", result, seconds=0)
    VALIDATOR.validate(made)
    assert (made["feed"], made["verdict"]) == (None, "rejected")


@pytest.mark.parametrize(
    "case", sorted((ROOT / "tests" / "data" / "torture").glob("*/report.json")), ids=lambda p: p.parent.name
)
def test_the_reports_in_the_repository_are_valid(case: Path) -> None:
    VALIDATOR.validate(json.loads(case.read_text()))


def test_the_schema_lists_exactly_the_codes() -> None:
    assert SCHEMA["$defs"]["code"]["enum"] == list(RULES)
    assert SCHEMA["properties"]["schema_version"]["const"] == REPORT_VERSION
    assert SCHEMA["properties"]["violations"]["maxItems"] == MAX_VIOLATIONS


def test_the_schema_refuses_invalid_reports() -> None:
    good = report(b"")
    for wrong in (
        good | {"verdict": "fine"},
        good | {"extra": 1},
        good | {"rows": -1},
        {k: good[k] for k in good if k != "summary"},
    ):
        assert not VALIDATOR.is_valid(wrong)


def test_the_summary_names_the_violation_its_place_its_value_and_the_remedy() -> None:
    header = (ROOT / "tests/data/torture/header_only" / NAME).read_bytes()
    summary = report(header + b"A1,T1,,,on its way,,2026-01-12 10:00:00\n")["summary"]
    assert "The whole file is rejected: 1 of 1 rows violate a rule" in summary
    assert "first in row 1 on line 2: 'on its way'" in summary
    assert RULES["unknown_status"].remedy in summary
    assert RULES["too_many_bad_rows"].remedy in summary


@pytest.mark.parametrize("code", RULES)
def test_every_code_has_a_sentence_in_the_summary(code: str) -> None:
    rule = RULES[code]
    violation = Violation(code, "this is wrong", None if rule.whole_file else 3, None, None, 4)
    result = ValidationResult("order_tracking", 5, int(not rule.whole_file), {code: {"": 1}}, (violation,))
    made = build_report("x.csv", result, seconds=0)
    VALIDATOR.validate(made)
    assert rule.remedy in made["summary"]
    assert made["verdict"] == ("rejected" if rule.whole_file else "accepted")


def test_a_partial_report_says_so() -> None:
    made = build_report("x.csv", ValidationResult(rows=5, partial=True), seconds=0)
    assert made["partial"]
    assert "Validation stopped early" in made["summary"]


def test_a_code_that_occurs_only_after_the_list_is_full_is_in_the_summary() -> None:
    listed = tuple(Violation("required", "m", row, "order_num", None, row + 1) for row in range(1, MAX_VIOLATIONS + 1))
    made = build_report(
        "x.csv",
        ValidationResult("order_tracking", 9999, 1001, {"required": {"order_num": 1000}, "bad_date": {"a": 1}}, listed),
        seconds=0,
    )
    assert made["truncated"]
    assert RULES["bad_date"].title in made["summary"]


def test_arrival_is_in_utc() -> None:
    tokyo = datetime(2026, 2, 1, 21, tzinfo=timezone(timedelta(hours=9)))
    assert build_report("x", ValidationResult(), seconds=0, arrival=tokyo)["arrival"] == "2026-02-01T12:00:00+00:00"
