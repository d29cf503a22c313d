"""Names of files: which are accepted, how a file id is written, and where a file goes when it leaves source/."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spark_jobs.contract.feeds import ORDER_TRACKING, name_problem
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.object_names import MAX_NAME_BYTES, archive_name, rejected_name, report_name

object_names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=300)
generations = st.integers(0, 2**63 - 1)


@given(st.from_regex(r"[a-z0-9._-]{3,63}", fullmatch=True), object_names, generations)
def test_a_file_id_survives_being_written_and_read(bucket: str, name: str, generation: int) -> None:
    file = FileId(bucket, name, generation)
    assert FileId.parse(str(file)) == file


@pytest.mark.parametrize(
    "text", ["", "b/n", "b#1", "/n#1", "b/#1", "b/n#", "b/n#-1", "b/n#1.0", "b/n#١", "b/n# 1", "b/n#1 "]
)
def test_other_texts_are_no_file_ids(text: str) -> None:
    with pytest.raises(ValueError, match="not a file id"):
        FileId.parse(text)


@pytest.mark.parametrize(
    "name",
    [
        "order_tracking_2026_01_31.csv",
        "replay/x/order_tracking_2024_02_29.csv",
        "North America/2026/order_tracking_0001_01_01.csv",
    ],
)
def test_names_that_are_accepted(name: str) -> None:
    assert name_problem(ORDER_TRACKING, name) is None


@pytest.mark.parametrize(
    "base",
    [
        "order_tracking_2026_02_30.csv",
        "order_tracking_2025_02_29.csv",
        "order_tracking_0000_01_01.csv",
        "order_tracking_2026_1_31.csv",
        "order_tracking_2026_01_31.CSV",
        "order_tracking_2026_01_31.csv.gz",
        "Order_tracking_2026_01_31.csv",
        "",
        "x.csv",
        "order_tracking_2026_01_31.csv\n",
        "order_tracking_２０２６_01_31.csv",
        " order_tracking_2026_01_31.csv",
    ],
)
def test_base_names_that_are_not(base: str) -> None:
    assert "order_tracking_YYYY_MM_DD.csv" in str(name_problem(ORDER_TRACKING, base))


@pytest.mark.parametrize(
    "folder",
    ["/", "a//", "../", "_hidden/", ".x/", "a*/", "a?b/", "{a,b}/", "é/", "a#b/", "a%2Fb/", "a:b/", "a\n/", "[a]/"],
)
def test_folders_on_which_readers_would_not_agree(folder: str) -> None:
    assert "folder names" in str(name_problem(ORDER_TRACKING, folder + "order_tracking_2026_01_31.csv"))


def test_the_date_of_a_name() -> None:
    assert ORDER_TRACKING.file_date("order_tracking_2024_02_29.csv") == date(2024, 2, 29)
    assert ORDER_TRACKING.file_date("order_tracking_2026_02_29.csv") is None


def test_archived_files_lie_under_their_day_and_carry_their_generation() -> None:
    file = FileId("b", "source/eu/order_tracking_2026_01_31.csv", 7)
    assert archive_name(ORDER_TRACKING, file, "source/", "archive/") == "archive/2026/01/31/order_tracking_2026_01_31.7.csv"


def test_a_file_of_another_feed_has_no_place_in_the_archive() -> None:
    with pytest.raises(ValueError, match=r"source/x\.csv"):
        archive_name(ORDER_TRACKING, FileId("b", "source/x.csv", 7), "source/", "archive/")


def test_rejected_files_keep_their_path() -> None:
    assert rejected_name(FileId("b", "source/a/x.csv", 7), "source/", "rejected/") == "rejected/a/x.csv.7"


long_names = st.builds(
    lambda head, char, times: head + char * times, object_names, st.sampled_from("aé漢😀"), st.integers(0, 1100)
)


@given(long_names, generations)
def test_names_of_rejected_files_and_their_reports_are_never_too_long(name: str, generation: int) -> None:
    assume(len(name.encode()) <= MAX_NAME_BYTES)
    to = rejected_name(FileId("b", "source/" + name, generation), "source/", "rejected/")
    assert to.startswith("rejected/")
    assert to.endswith(f".{generation}")
    assert len(report_name(to).encode()) <= MAX_NAME_BYTES


@given(st.lists(st.tuples(long_names, generations), min_size=2, max_size=2, unique=True))
def test_no_two_files_share_a_place(files: list[tuple[str, int]]) -> None:
    assume(all(len(name.encode()) <= 1024 for name, _ in files))
    layout = {
        rejected_name(FileId("b", "source/" + name, generation), "source/", "rejected/") for name, generation in files
    }
    assert len(layout) == 2
