from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.simulate.uploads import DAY, MOST_FILES, Load, uploads_of


@st.composite
def loads(draw: st.DrawFn) -> Load:
    files = draw(st.integers(0, 20_000))
    return Load(files, draw(st.integers(0, 1_000)), draw(st.integers(0, files)))


@given(loads(), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_a_load_has_its_files_in_order_and_the_same_for_the_same_seed(load: Load, seed: int) -> None:
    uploads = uploads_of(load, seed)
    assert uploads == uploads_of(load, seed)
    assert len(uploads) == pytest.approx(load.files_a_day * load.simulated_seconds / DAY, abs=1)
    moments = [upload.at for upload in uploads]
    assert moments == sorted(moments)
    assert all(0 <= at <= load.simulated_seconds + load.burst_seconds for at in moments)


def test_the_files_of_a_burst_arrive_together() -> None:
    uploads = uploads_of(Load(2_000, 1, bursts=4), seed=1)
    starts = [after.at for before, after in pairwise(uploads) if after.at - before.at > 60]
    assert len(uploads) == 2_000
    assert len(starts) <= 3


def test_another_seed_gives_other_times() -> None:
    assert uploads_of(Load(10, 1), 1) != uploads_of(Load(10, 1), 2)


def test_a_large_load_is_simulated_for_a_part_of_the_day() -> None:
    assert len(uploads_of(Load(1_000_000, 1), 1)) == MOST_FILES


@pytest.mark.parametrize("values", [(-1, 1, 0), (1, -1, 0), (1, 1, 2), (1, 1, -1)])
def test_an_impossible_load_is_refused(values: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        Load(*values)
