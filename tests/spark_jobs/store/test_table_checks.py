"""What is checked of the tables, and how a look-up finds its way in a long history; without Spark."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.store.tables import MAX_RANGES, TableError, check_collation, generation_ranges


def test_a_key_that_ignores_case_is_refused() -> None:
    check_collation("t", "tracking_num", "string")
    with pytest.raises(TableError, match="UTF8_LCASE"):
        check_collation("t", "tracking_num", "string collate UTF8_LCASE")


@given(st.lists(st.integers(0, 10**16)))
def test_a_few_ranges_cover_all_generations(generations: list[int]) -> None:
    ranges = generation_ranges(generations)
    assert len(ranges) <= MAX_RANGES
    assert all(any(low <= each <= high for low, high in ranges) for each in generations)
    assert all(low in generations and high in generations for low, high in ranges)
    assert all(before[1] < after[0] for before, after in pairwise(ranges))


def test_one_file_that_waited_for_a_year_does_not_widen_the_range_of_the_others() -> None:
    today = [1_700_000_000_000_000 + n for n in range(50)]
    year_ago = today[0] - 365 * 86_400_000_000
    ranges = generation_ranges([year_ago, *today])
    assert ranges[0] == (year_ago, year_ago)
    assert sum(high - low for low, high in ranges) < 50
