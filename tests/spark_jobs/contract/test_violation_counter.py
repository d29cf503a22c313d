"""Counting violations: complete counts, a bounded list."""

from __future__ import annotations

from collections.abc import Iterator

from spark_jobs.contract.validation_results import MAX_VIOLATIONS
from spark_jobs.contract.values import Fault
from spark_jobs.contract.violation_counter import ViolationCounter
from spark_jobs.contract.violations import Violation


def test_counts_are_complete_and_messages_are_built_only_for_the_list() -> None:
    counter, described = ViolationCounter(), 0

    def describe() -> Iterator[Violation]:
        nonlocal described
        described += 1
        yield Violation("required", "m", 1, "status")
        yield Violation("bad_date", "m", 1, "pck_recieved_date")

    rows = MAX_VIOLATIONS
    for _ in range(rows):
        counter.add([Fault("required", "status"), Fault("bad_date", "pck_recieved_date")], describe)
    counter.add([], describe)
    result = counter.result()
    assert described == MAX_VIOLATIONS // 2
    assert (result.bad_rows, len(result.violations), result.truncated) == (rows, MAX_VIOLATIONS, True)
    assert result.counts == {"required": {"status": rows}, "bad_date": {"pck_recieved_date": rows}}


def test_whole_file_violations_are_listed_before_those_of_rows() -> None:
    counter, row, whole = ViolationCounter(), Violation("required", "m", 1, "status"), Violation("encoding", "m")
    counter.rows = 1
    counter.add([Fault("required", "status")], lambda: [row])
    result = counter.result(whole, splittable=True)
    assert result.violations == (whole, row)
    assert result.counts["encoding"] == {"": 1}
    assert (result.rows, result.splittable, result.partial) == (1, True, False)


def test_a_fault_in_a_list_of_records_is_counted_for_its_column() -> None:
    """Reports have a count per column, not one per place: a list may have a thousand records."""
    counter = ViolationCounter()
    counter.feed = "customer_orders"
    counter.add([Fault("required", "items", place=f"items[{at}].quantity") for at in range(3)], lambda: [])
    assert counter.result().counts == {"required": {"items": 3}}
    assert counter.result().feed == "customer_orders"
