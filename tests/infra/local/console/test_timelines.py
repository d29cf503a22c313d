"""The steps of a run as its log tells them."""

from __future__ import annotations

from datetime import datetime, timedelta

from infra.local.console.timelines import LATEST_STEPS, Step, bars, steps_in

LOG = """WARNING: Using incubator modules: jdk.incubator.vector
2026-11-25 10:33:04,009 INFO step=list seconds=0.009 files=4
26/11/25 10:33:05 WARN Utils: step=merge seconds=9
2026-11-25 10:33:15,916 INFO step=merge seconds=2.306
2026-11-25 10:33:16,468 INFO step=migrate table t has new columns: a
2026-11-25 10:33:23,278 INFO step=run seconds=19.278 files=4 rows=6515
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-25T10:33:{text}").astimezone()


def test_each_line_of_a_step_is_one_step_and_the_sum_is_none() -> None:
    assert steps_in(LOG) == [
        Step("list", at("04.000"), at("04.009"), "files=4"),
        Step("merge", at("13.610"), at("15.916")),
    ]
    assert steps_in("") == []


def test_a_run_that_goes_on_for_hours_shows_its_latest_steps() -> None:
    lines = [f"2026-11-25 10:33:{n % 60:02},000 INFO step=list seconds=0.001 files={n}" for n in range(500)]
    assert [step.counts for step in steps_in("\n".join(lines))] == [f"files={n}" for n in range(500 - LATEST_STEPS, 500)]


def test_bars_are_shares_of_the_run_and_stay_inside_it() -> None:
    start = at("00.000")
    inside = Step("merge", start + timedelta(seconds=5), start + timedelta(seconds=10))
    early = Step("list", start - timedelta(seconds=5), start + timedelta(seconds=2))
    shown = bars([inside, early], start, start + timedelta(seconds=20))
    assert [(bar.left, bar.width) for bar in shown] == [(25.0, 25.0), (0.0, 10.0)]
    assert [(bar.left, bar.width) for bar in bars([inside], start, start)] == [(100.0, 0.0)]
