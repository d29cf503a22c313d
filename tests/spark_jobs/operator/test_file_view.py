"""One file as text on a terminal of 80 columns. What is gathered is tested in test_status.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from spark_jobs.contract.file_ids import FileId
from spark_jobs.operator.file_history import FileHistory
from spark_jobs.operator.file_rows import KeyHistory, Tie
from spark_jobs.operator.file_view import FileView, show
from spark_jobs.operator.parked import ParkedFile
from spark_jobs.operator.times import Times
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.dependencies import BUCKET, NAME
from tests.spark_jobs.operator.conftest import drawn

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
TIMES = Times(NOW)
FILE = FileId(BUCKET, NAME, 1795602989545207)
AT = NOW - timedelta(minutes=4)
ENTRY = LogEntry(
    FILE, "merged", "batch", AT, AT, 1, rows=3750, inserted=2909, updated=653, outranked=0, rejected_rows=188, balanced=True
)  # fmt: skip
PLACE = "archive/2026/01/31/order_tracking_2026_01_31.1795602989545207.csv"
HISTORY = FileHistory(str(FILE), PLACE, AT, "merged and archived", (AT,), ENTRY, None)
PARKED = ParkedFile(FILE, 2, AT, NOW + timedelta(hours=1), "ValueError: \x1b[31mno reader " + "x" * 60)

ONE_FILE = """\
orders-data/source/order_tracking_2026_01_31.csv#1795602989545207
  seen      2026-02-01 12:56:00 CET (4 min ago)
  location  archive/2026/01/31/order_tracking_2026_01_31.1795602989545207.csv
  state     merged and archived
  taken     2026-02-01 12:56:00 CET (4 min ago)
  merged    2026-02-01 12:56:00 CET (4 min ago)
  rows      3,750 = 2,909 inserted + 653 updated + 0 outranked + 188 rejected
            ███████████████████████████████████████████████▓▓▓▓▓▓▓▓▓▓░░░
            █ 78% inserted  ▓ 17% updated  ▒ 0% outranked  ░ 5% rejected
  balanced  yes
"""


def view(history: FileHistory, ties: list[Tie] | None = None, asked: bool = False) -> FileView:
    return FileView([history], [], ties or [], [], ties_asked=asked)


@pytest.mark.usefixtures("berlin")
def test_a_merged_file_fits_80_columns_with_shares_below_its_equation() -> None:
    assert drawn(show(view(HISTORY), TIMES)) == ONE_FILE.splitlines()


def test_an_incomplete_or_unbalanced_line_says_so() -> None:
    unknown = replace(HISTORY, entry=replace(ENTRY, inserted=None, balanced=None, note="the change feed can't be read"))
    lines = drawn(show(view(unknown), TIMES))
    assert lines[-3:] == ["  note      the change feed can't be read", "  rows      3,750", "  balanced  unknown"]
    unbalanced = replace(HISTORY, entry=replace(ENTRY, balanced=False))
    assert drawn(show(view(unbalanced), TIMES))[-1] == "  balanced  NO"
    empty = replace(ENTRY, rows=0, inserted=0, updated=0, rejected_rows=0)
    assert drawn(show(view(replace(HISTORY, entry=empty)), TIMES))[-2].endswith("+ 0 rejected")


def test_a_parked_file_shows_its_next_try_and_its_error_escaped() -> None:
    lines = drawn(show(view(replace(HISTORY, entry=None, parked=PARKED)), Times(NOW, utc=True)))
    assert "  next try    2026-02-01 13:00:00 UTC (in 60 min)" in lines
    assert "  last error  ValueError: \\x1b[31mno reader" in lines
    assert f"              {'x' * 60}" in lines


def test_without_the_bucket_only_what_is_known_is_shown() -> None:
    known = FileHistory(str(FILE), None, None, "taken, not logged yet", (AT,), None, None)
    lines = drawn(show(replace(view(known), missing=["missing: its location"]), Times(NOW, utc=True)))
    assert lines == [
        "missing: its location",
        "",
        str(FILE),
        "  state  taken, not logged yet",
        "  taken  2026-02-01 11:56:00 UTC (4 min ago)",
    ]


def test_ties_fit_80_columns() -> None:
    kept = f"{BUCKET}/source/order_tracking_2026_01_30.csv#1795602989545000"
    tie = Tie("T\x1b" + "3" * 90, AT, str(FILE), 12, kept, 34_567)
    lines = drawn(show(view(HISTORY, [tie], asked=True), TIMES))[-7:]
    assert lines[0].startswith("key ") and lines[0].endswith("timestamp")
    assert lines[1] == "  conflict"
    assert lines[3].startswith("T\\x1b33") and lines[3].endswith("3  2026-02-01 11:56:00 UTC") and "…" in lines[3]
    assert " ".join(line.strip() for line in lines[4:]) == (
        f"row 12 of {FILE} differs from the target's, row 34567 of {kept}"
    )  # fmt: skip


def test_no_ties_are_mentioned_only_if_they_were_asked_for() -> None:
    assert drawn(show(view(HISTORY, [], asked=True), TIMES))[-1] == "no row conflicts with the target at the same timestamp"
    assert "conflicts" not in "".join(drawn(show(view(HISTORY), TIMES)))
    assert "conflicts" not in "".join(drawn(show(replace(view(HISTORY, asked=True), ties=None), TIMES)))


def test_sentences_about_keys_wrap() -> None:
    sentence = f"row 1 of {FILE} (2026-01-31 10:00:00 UTC) was outranked by row 5 of {FILE}"
    lines = drawn(show(replace(view(HISTORY), keys=[KeyHistory(sentence)]), TIMES))
    assert " ".join(line.strip() for line in lines[-3:]).strip() == sentence
