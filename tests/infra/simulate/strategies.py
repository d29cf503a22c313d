"""Loads, times and modes, from degenerate to overloaded."""

from __future__ import annotations

from hypothesis import strategies as st

from infra.simulate.pipeline import Continuous, Windows
from infra.simulate.times import Times, Work
from infra.simulate.uploads import Upload

SECONDS = st.floats(0, 30)
WORK = st.builds(Work, st.floats(0, 20), st.floats(0, 1), st.floats(0, 0.001))

TIMES = st.builds(
    Times,
    event=SECONDS,
    validation=WORK,
    instances=st.integers(1, 3),
    start=SECONDS,
    listing=st.builds(Work, st.floats(0, 1), st.floats(0, 0.01)),
    open=SECONDS,
    opens_early=st.booleans(),
    load=WORK,
    cold_load=SECONDS,
    finish=WORK,
    cold_finish=SECONDS,
    warming=st.floats(0, 1),
    end=SECONDS,
)
UPLOADS = st.lists(st.builds(Upload, st.floats(0, 600), st.integers(0, 30_000)), max_size=60)
WINDOWS = st.builds(Windows, st.integers(1, 55))
MODES = WINDOWS | st.builds(Continuous, st.floats(0.5, 10), st.floats(0.01, 0.1))

QUICK = Times(
    event=0.5,
    validation=Work(0.5),
    instances=1,
    start=3.0,
    listing=Work(0.25),
    open=4.0,
    opens_early=False,
    load=Work(2.0, 0.01, 0.0001),
    cold_load=6.0,
    finish=Work(1.0),
    cold_finish=1.0,
    warming=0.5,
    end=0.5,
)
"""Times whose sums can be checked by hand."""
