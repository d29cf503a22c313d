"""Object names of archived and rejected files: unique, never too long, and readable."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.object_names import MAX_NAME_BYTES, archive_name, rejected_name, report_name

object_names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=300)
generations = st.integers(0, 2**63 - 1)


def test_the_archive_name_has_the_day_and_the_generation() -> None:
    file = FileId("b", "source/eu/order_tracking_2026_01_31.csv", 7)
    name = archive_name(file, "source/", "archive/")
    assert name == "archive/2026/01/31/eu/order_tracking_2026_01_31.7.csv"


def test_a_file_of_another_feed_has_no_archive_name() -> None:
    with pytest.raises(ValueError, match=r"source/x\.csv"):
        archive_name(FileId("b", "source/x.csv", 7), "source/", "archive/")


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
def test_two_files_never_get_the_same_name(files: list[tuple[str, int]]) -> None:
    assume(all(len(name.encode()) <= 1024 for name, _ in files))
    names = {rejected_name(FileId("b", "source/" + name, generation), "source/", "rejected/") for name, generation in files}
    assert len(names) == 2
