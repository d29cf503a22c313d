"""One run of the job: where objects move, which rows arrive, and the log lines."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from spark_jobs.batches import Batch, Counts, FileCounts
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.marks import MARK_KEY
from spark_jobs.reading.staged_rows import staged_ddl
from spark_jobs.steps.run import FilesFailed
from spark_jobs.steps.stage import _Parsed, _write
from tests.spark_jobs.harness import HEADER, JobHarness, at, csv, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def no_spark() -> SparkSession:
    raise AssertionError("Spark was started")


def test_days_in_any_order_bad_rows_and_an_empty_file_end_as_the_contract_says(harness: JobHarness) -> None:
    late = harness.day(3, row("T1", "2026-01-03 10:00:00", "delivered"), row("T2", "2026-01-03 11:00:00", "Cancelled"))
    harness.ingest()
    early = harness.day(1, row("T1", status="shipped"), row("T3"))
    many = harness.day(2, *[row(f"K{n}") for n in range(20)], row("T4", status="lost"), row("T2", "2026-01-02 09:00:00"))
    empty = harness.day(4)
    harness.ingest()
    harness.assert_right()
    target, log = harness.target(), harness.log()
    assert (target["T1"]["status"], target["T2"]["status"]) == ("delivered", "canceled")
    counts = ("rows", "inserted", "updated", "outranked", "rejected_rows")
    assert [log[str(late.file)][name] for name in counts] == [2, 2, 0, 0, 0]
    assert [log[str(early.file)][name] for name in counts] == [2, 1, 0, 1, 0]
    assert [log[str(many.file)][name] for name in counts] == [22, 20, 0, 1, 1]
    assert [log[str(empty.file)][name] for name in counts] == [0, 0, 0, 0, 0]
    assert harness.rejected_rows() == {(str(many.file), 21): (row("T4", status="lost"), [("unknown_status", "status")])}
    assert harness.store.names() == sorted(
        f"archive/2026/01/{day:02d}/order_tracking_2026_01_{day:02d}.{stored.file.generation}.csv"
        for day, stored in ((3, late), (1, early), (2, many), (4, empty))
    )
    outcomes = {outcome.file: outcome for outcome in harness.announcer.outcomes}
    assert set(outcomes) == {late.file, early.file, many.file, empty.file}
    assert (outcomes[many.file].kind, outcomes[many.file].rejected_rows) == ("merged", 1)


def test_a_batch_of_longer_files_with_an_empty_one_among_them_loses_none(harness: JobHarness) -> None:
    """Each of them long enough to be read column by column; they share keys, and some rows are odd or bad."""
    harness.day(1, *[row(f"K{n}") for n in range(1000)])
    harness.day(2)
    harness.day(3, *[row(f"K{n}", "2026-01-01 11:00:00", "In_Transit") for n in range(500, 1500)], row("T", status="lost"))
    harness.day(4, *[row(f"K{n}", "2026-01-01T12:00:00+02:00", address='"quoted, street"') for n in range(1400, 2000)])
    entries = harness.ingest()
    harness.assert_right()
    assert len({entry.batch_id for entry in entries}) == 1
    assert len(harness.target()) == 2000
    assert [(line["inserted"], line["outranked"]) for line in harness.log().values()].count((500, 500)) == 1


def test_a_stage_with_other_rows_than_were_read_ends_the_run(harness: JobHarness) -> None:
    file = harness.day(1, row("T1"), row("T2")).file
    read = harness.spark.createDataFrame([], staged_ddl(ORDER_TRACKING)).selectExpr("*", "true AS newest", "false AS tied")
    one = read.unionByName(harness.spark.sql("SELECT 'a' AS tracking_num, 1L AS row_number"), allowMissingColumns=True)
    counts = Counts({file: FileCounts(rows=2, numbers=3)}, None)
    with pytest.raises(RuntimeError, match="got 1 rows, not the 2 that were read"):
        _write(harness.run(), Batch("b", (), {}, {}, 0), "b/1", _Parsed(one, counts=counts))


def test_with_nothing_accepted_no_spark_is_started(harness: JobHarness) -> None:
    from spark_jobs.steps.ingest import ingest

    harness.store.upload("source/order_tracking_2026_01_01.csv", csv(row("T1")))
    marked = harness.day(2, row("T2"), contract_version=99)
    carried = dict(harness.store.stat("orders-data", marked.file.name).metadata)  # type: ignore[union-attr]
    harness.store.upload("source/order_tracking_2026_01_03.csv", csv(row("T3")), metadata=carried)
    harness.upload("not an order file.csv", csv(row("T4")))
    assert MARK_KEY in carried
    assert ingest(harness.settings, harness.deps(), no_spark) == []
    assert len(harness.store.names("source/")) == 4


def test_spark_starts_and_opens_the_tables_while_the_run_waits_for_its_window(harness: JobHarness) -> None:
    """If files wait already. Files that are marked during the wait are in the same batch."""
    from spark_jobs.steps.ingest import ingest

    opened = threading.Event()

    def open_spark() -> SparkSession:
        opened.set()
        return harness.spark

    def wait(seconds: float) -> None:
        assert opened.wait(60), "Spark starts only after the wait"
        harness.day(2, row("T2"))
        harness.clock.advance(seconds)

    harness.day(1, row("T1"))
    settings = replace(harness.settings, not_before=harness.clock() + timedelta(seconds=20))
    entries = ingest(settings, replace(harness.deps(), sleep=wait), open_spark)
    harness.assert_right()
    assert len(entries) == 2 and len({entry.batch_id for entry in entries}) == 1


def test_a_run_waits_for_the_end_of_its_window_before_it_lists(harness: JobHarness) -> None:
    from spark_jobs.steps.ingest import ingest

    called_at: list[Any] = []
    harness.store.before_call = lambda method, name: called_at.append(harness.clock())
    start = harness.clock()
    ingest(replace(harness.settings, not_before=start + timedelta(seconds=20)), harness.deps(), no_spark)
    ingest(replace(harness.settings, not_before=harness.clock() + timedelta(hours=2)), harness.deps(), no_spark)
    waited = [0, 20, 20, 80]
    assert called_at == [start + timedelta(seconds=s) for s in waited], "a minute at most; the first one looks what waits"


@pytest.mark.parametrize("moment", ["taken", "staged"])
def test_a_file_overwritten_before_the_merge_is_superseded_and_the_newer_one_merged(
    harness: JobHarness, moment: str
) -> None:
    old = harness.day(1, row("T1", "2026-01-09 10:00:00"), row("OLD"))
    other = harness.day(2, row("T2"))
    new: list[Any] = []
    harness.ingest(at(moment, lambda: new.append(harness.day(1, row("T1"), row("NEW")))))
    log = harness.log()
    assert log[str(old.file)]["outcome"] == "superseded"
    assert {log[str(file)]["outcome"] for file in (other.file, new[0].file)} == {"merged"}
    assert set(harness.target()) == {"T1", "T2", "NEW"}
    harness.assert_right()


def test_a_file_that_vanishes_while_it_is_read_costs_the_others_nothing(harness: JobHarness) -> None:
    gone = harness.day(1, row("T1"))
    harness.day(2, row("T2"))
    harness.ingest(at("taken", lambda: harness.store.delete(gone.file.name)))
    assert harness.log()[str(gone.file)]["outcome"] == "superseded"
    assert set(harness.target()) == {"T2"}


def test_an_overwrite_after_the_merge_is_archived_under_no_other_name(harness: JobHarness) -> None:
    old = harness.day(1, row("T1"))
    harness.ingest(at("merged", lambda: harness.store.upload(old.file.name, csv(row("T9")))))
    assert harness.log()[str(old.file)]["outcome"] == "merged"
    assert harness.store.names() == [old.file.name], "the newer generation waits for its own event"


def test_what_the_function_could_not_judge_to_its_end_is_judged_before_any_row_loads(harness: JobHarness) -> None:
    cases = {
        "too_many_bad_rows": csv(row("G1"), row("B1", status="lost")),
        "encoding": csv(row("G2")) + b"A1,\xff,,,pending,,2026-01-01 10:00:00\n",
        "unclosed_quote": csv(row("G3")) + b'A1,T1,,,pending,"open,2026-01-01 10:00:00\n',
        "record_too_long": csv(row("G4")) + b"x" * (1024 * 1024 + 2) + b"\n",
        "missing_column": csv(row("G5")).replace(b"status", b"state", 1),
    }
    files = {}
    for number, (code, content) in enumerate(cases.items()):
        for splittable in (True, False):
            name = f"{code}{splittable}/order_tracking_2026_01_{number + 1:02d}.csv"
            files[harness.upload(name, content, partial=True, splittable=splittable, rows=1, bad_rows=0).file] = code
    good = harness.day(9, row("T1"))
    harness.ingest()
    log = harness.log()
    assert set(harness.target()) == {"T1"}
    assert log[str(good.file)]["outcome"] == "merged"
    for file, code in files.items():
        line = log[str(file)]
        assert line["outcome"] == "rejected" and line["reason"].startswith(code), line
        report = json.loads(harness.store.content(line["report"]))
        assert report["file"] and code in report["counts"]
    assert len(harness.store.names("rejected/")) == 2 * len(files)
    assert harness.store.names("source/") == []


def test_ties_with_other_content_are_counted_and_settled_by_content(harness: JobHarness) -> None:
    one = harness.day(1, row("T1", address="b"), row("T2")).file
    two = harness.day(2, row("T1", address="a"), row("T1", address="a"), row("T2")).file
    harness.ingest()
    harness.assert_right()
    assert harness.target()["T1"]["address"] == "b"
    log = harness.log()
    assert (log[str(one)]["conflicting_ties"], log[str(two)]["conflicting_ties"]) == (1, 2)


def test_dates_at_the_ends_of_the_calendar_survive(harness: JobHarness) -> None:
    for day, splittable in enumerate((True, False), 1):
        rows = [
            f"A1,T{day},0001-01-01,9999-12-31,pending,,0001-01-01 00:00:00",
            f"A1,U{day},1582-10-10,1900-02-28,pending,,1582-10-10 12:00:00.000001-18:00",
        ]
        harness.day(day, *rows, splittable=splittable)
    harness.ingest()
    harness.assert_right()


def test_a_file_with_line_breaks_in_quotes_keeps_them_and_its_row_numbers(harness: JobHarness) -> None:
    content = f'{HEADER}\r\n\r\nA1,T1,,,pending,"1 Main\r\n\r\nSt",2026-01-01 10:00:00\r\nA2,T2,,,bogus,,x\n'.encode()
    content += b"".join(row(f"K{n}").encode() + b"\n" for n in range(20))
    file = harness.upload("order_tracking_2026_01_01.csv", content).file
    harness.ingest()
    harness.assert_right()
    assert harness.target()["T1"]["address"] == "1 Main\r\n\r\nSt"
    assert list(harness.rejected_rows()) == [(str(file), 2)]


def test_storage_or_broker_trouble_fails_the_run_and_the_next_one_goes_on(harness: JobHarness) -> None:
    file = harness.day(1, row("T1")).file

    def down() -> None:
        raise TransientError("Pub/Sub is down")

    harness.announcer.before_call = down
    with pytest.raises(FilesFailed, match="can't be announced: Pub/Sub is down"):
        harness.ingest()
    assert harness.store.names("source/") == [file.name], "not archived before it was announced"
    harness.announcer.before_call = lambda: None
    harness.ingest()
    harness.assert_right()
    assert [outcome.file for outcome in harness.announcer.outcomes] == [file]


def test_a_file_that_can_not_be_moved_is_named_and_announced_once_and_others_go_through(harness: JobHarness) -> None:
    held = harness.day(1, row("T1")).file

    def hold(method: str, name: str) -> None:
        if method == "move" and name == held.name:
            raise TransientError("403: the object is under a retention policy")

    harness.store.before_call = hold
    for day in (2, 3, 4):
        harness.day(day, row(f"T{day}"))
        with pytest.raises(FilesFailed, match=r"01_01.csv#\d+: merged, but can't be moved: 403"):
            harness.ingest()
    assert set(harness.target()) == {"T1", "T2", "T3", "T4"}
    assert harness.store.names("source/") == [held.name]
    announced = [str(outcome.file) for outcome in harness.announcer.outcomes]
    assert len(announced) == len(set(announced)) == 4
    harness.store.before_call = lambda method, name: None
    harness.ingest()
    harness.assert_right()


def test_a_run_that_was_suspended_announces_what_the_log_holds(harness: JobHarness) -> None:
    """Another run merged the file meanwhile; then the sender overwrote it: this one must not announce "superseded"."""
    file = harness.day(1, row("T1")).file
    suspended = [True]

    def other_run(step: str) -> None:
        if step == "taken" and suspended:
            suspended.clear()
            harness.ingest()
            harness.day(1, row("T2"))

    harness.ingest(other_run)
    assert harness.log()[str(file)]["outcome"] == "merged"
    assert {outcome.kind for outcome in harness.announcer.outcomes if outcome.file == file} == {"merged"}
