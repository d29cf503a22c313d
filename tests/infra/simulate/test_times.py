from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from infra.simulate.times import Times
from tests.infra.simulate.strategies import QUICK, TIMES


@given(TIMES)
def test_times_survive_being_written_and_read(times: Times) -> None:
    assert Times.of(times.as_dict()) == times


def test_each_batch_of_a_run_is_less_cold_than_the_one_before() -> None:
    assert [QUICK.load_seconds(earlier, 1, 100) for earlier in range(3)] == pytest.approx([8.02, 5.02, 3.52])
    assert [QUICK.finish_seconds(earlier, 1, 100) for earlier in range(2)] == pytest.approx([2.0, 1.5])


def test_a_function_without_instances_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one instance"):
        replace(QUICK, instances=0)


def test_a_missing_or_unknown_time_is_refused() -> None:
    with pytest.raises(TypeError):
        Times.of({"event": 1.0})
    with pytest.raises(TypeError):
        Times.of({**QUICK.as_dict(), "unknown": 1.0})
