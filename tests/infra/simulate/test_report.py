from __future__ import annotations

from pathlib import Path

from rich.console import Console

from infra.simulate.outcome import Cost, Outcome
from infra.simulate.pipeline import Continuous, Windows
from infra.simulate.report import TIMEOUT_HOURS, seconds, show

QUICK = Outcome(Continuous(), 5.0, 10.0, 12.0, 1.0, 0.1, 0, 24.0, False, Cost(300.0, 1.0, 2.0, 0.5))
SLOW = Outcome(Windows(5), 50.0, 100.0, 130.0, 1_234.0, 0.5, 7, 0.1, False, Cost(20.0, 1.0, 2.0, 0.5))
OVERLOADED = Outcome(Windows(15), 5e5, 1e6, 2e6, 900.0, 1.0, 800, 3.0, True, Cost(20.0, 1.0, 2.0, 0.5))


def shown(*outcomes: Outcome) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    show(console, outcomes)
    return console.export_text()


def test_bars_are_as_long_as_the_latencies() -> None:
    live, window = (line for line in shown(QUICK, SLOW).splitlines() if "█" in line and "p50" not in line)
    assert (live.count("█"), live.count("░")) == (2, 3)
    assert (window.count("█"), window.count("░")) == (25, 25)
    assert "$304" in live
    assert "$24" in window


def test_a_mode_that_cannot_keep_up_shows_no_latency() -> None:
    text = shown(QUICK, OVERLOADED)
    assert "can't keep up" in text
    assert "grows" in text
    assert "up to 10.0 s" in text


def test_runs_that_pile_up_and_runs_that_never_end_are_reported() -> None:
    text = shown(QUICK, OVERLOADED)
    assert "up to 800 runs wait" in text
    assert "a run goes on for 3.0 h" in text
    assert "wait" not in shown(QUICK, SLOW).partition("queryable")[2]


def test_the_limit_of_a_run_is_that_of_the_bundle() -> None:
    bundle = (Path(__file__).parents[3] / "infra/databricks/resources/order_tracking_job.yml").read_text()
    assert f"timeout_seconds: {TIMEOUT_HOURS * 3600}\n" in bundle


def test_nothing_but_zeros() -> None:
    nothing = Outcome(Windows(5), 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, False, Cost(0.0, 0.0, 0.0, 0.0))
    assert "window 5 s" in shown(nothing)


def test_seconds() -> None:
    assert [seconds(value) for value in (0.04, 99.9, 120.0, 7200.0)] == ["0.0 s", "99.9 s", "2.0 min", "2.0 h"]
