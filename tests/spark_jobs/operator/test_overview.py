"""The overview as text on a terminal of 80 columns, with everything that it can show. What it gathers is tested in
test_status.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from spark_jobs.cloud.ports import JobRun, StoredFile
from spark_jobs.contract.file_ids import FileId
from spark_jobs.operator.backlog import RejectedFile
from spark_jobs.operator.lookups import LogTotals
from spark_jobs.operator.overview import Overview, show
from spark_jobs.operator.parked import ParkedFile
from spark_jobs.operator.times import Times
from spark_jobs.settings import BucketLayout
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.dependencies import BUCKET, NAME
from tests.spark_jobs.operator.conftest import drawn

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
TIMES = Times(NOW)
FILE = FileId(BUCKET, NAME, 7)
GENERATION = 1795602989545207
EMPTY = Overview(BucketLayout(BUCKET), [], [], [], [], [], None, [])


def before(**ago: float) -> datetime:
    return NOW - timedelta(**ago)


def merged(name: str, balanced: bool | None = True) -> LogEntry:
    at = before(minutes=4)
    return LogEntry(
        FileId(BUCKET, name, 7), "merged", "batch", at, at, 1, rows=3750, inserted=2909, updated=653, outranked=0,
        rejected_rows=188, balanced=balanced,
    )  # fmt: skip


FULL = Overview(
    BucketLayout(BUCKET),
    waiting=[
        (StoredFile(FileId(BUCKET, "source/customer_orders_2026_01_31.csv", 8), 2, 9, before(minutes=12)), "accepted"),
        (StoredFile(FileId(BUCKET, f"source/{'folder/' * 9}a.csv", 9), 1, 9, before(seconds=5)), "not validated yet"),
    ],
    parked=[ParkedFile(FILE, 2, before(minutes=30), before(minutes=-30), "ValueError: \x1b[31mno reader\n" + "x" * 90)],
    rejected=[
        RejectedFile(f"rejected/a/order_tracking_2026_01_08.csv.{GENERATION}", before(hours=3), "no column tracking_num")
    ],
    runs=[JobRun(123456789012345, "SUCCESS", before(days=3), "https://adb-1.azuredatabricks.net/jobs/1/runs/2?o=3")],
    entries=[merged(NAME, balanced=False), merged("source/replay/1795602989545207/order_tracking_2026_01_31.csv")],
    totals=LogTotals(2, 0, 0, 5818, 1306, 0, 376, before(minutes=4)),
    missing=[],
)


FIRST_SCREEN = """\
2 waiting (oldest: 12 min); 1 parked; 1 rejected in 24 h; last merge: 4 min ago

last 24 h: 7,500 rows of 2 merged files
███████████████████████████████████████████████▓▓▓▓▓▓▓▓▓▓░░░
█ 78% inserted  ▓ 17% updated  ▒ 0% outranked  ░ 5% rejected

parked                         failed attempts  next try
  last error
─────────────────────────────────────────────────────────
order_tracking_2026_01_31.csv                2  in 30 min
  ValueError: \\x1b[31mno
  reader\\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
  xxxxxxxxxxxxxxxxxxxx

rejected                         when                  age
  reason
──────────────────────────────────────────────────────────
a/order_tracking_2026_01_08.csv  2026-02-01 10:00 CET  3 h
  no column tracking_num

waiting                                             since                    age
  state
────────────────────────────────────────────────────────────────────────────────
customer_orders_2026_01_31.csv                      2026-02-01 12:48 CET  12 min
  accepted
folder/folder/folder/folder/folder/folder/f…/a.csv  2026-02-01 12:59 CET     5 s
  not validated yet

run              started                  age  state
  page
──────────────────────────────────────────────────────
123456789012345  2026-01-29 13:00 CET  3 days  SUCCESS
  https://adb-1.azuredatabricks.net/jobs/1/runs/2?o=3

file                                rows  inserted  updated  outranked  rejected
  outcome  when  age
────────────────────────────────────────────────────────────────────────────────
order_tracking_2026_01_31.csv      3,750     2,909      653          0       188
  merged, NOT BALANCED  2026-02-01 12:56 CET  4 min
re…/order_tracking_2026_01_31.csv  3,750     2,909      653          0       188
  merged  2026-02-01 12:56 CET  4 min
"""


@pytest.mark.usefixtures("berlin")
def test_everything_fits_80_columns_failures_first() -> None:
    assert drawn(show(FULL, TIMES)) == FIRST_SCREEN.splitlines()


def test_what_is_unknown_is_not_shown_as_nothing() -> None:
    missing = replace(EMPTY, waiting=None, rejected=None, missing=["missing: \x1b waiting files"])
    assert drawn(show(missing, TIMES)) == [
        "? waiting; 0 parked; ? rejected in 24 h; last merge: never",
        "missing: \\x1b waiting files",
    ]


def test_a_quiet_pipeline_is_one_line() -> None:
    quiet = replace(EMPTY, totals=LogTotals(last_merge=before(days=9)))
    assert drawn(show(quiet, TIMES)) == ["0 waiting; 0 parked; 0 rejected in 24 h; last merge: 9 days ago"]


def test_totals_of_feeds_add_up() -> None:
    one, other = LogTotals(merged=1, inserted=2, last_merge=before(days=1)), LogTotals(merged=2, rejected_rows=3)
    assert LogTotals.sum([one, other]) == LogTotals(merged=3, inserted=2, rejected_rows=3, last_merge=before(days=1))
    assert LogTotals.sum([other]).last_merge is None
