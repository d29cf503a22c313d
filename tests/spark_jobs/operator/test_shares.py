"""Shares: the bar's cells, percentages that don't lie, and what is shown where there is no bar."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from spark_jobs.operator.shares import Shares, cells_of, percent
from tests.spark_jobs.operator.conftest import drawn

SHARES = Shares({"inserted": 2909, "updated": 653, "outranked": 0, "rejected": 1})


def test_a_bar_and_its_legend_fit_a_terminal() -> None:
    assert drawn(SHARES) == [
        "█" * 49 + "▓" * 10 + "░",
        "█ 82% inserted  ▓ 18% updated  ▒ 0% outranked  ░ <1% rejected",
    ]


def test_a_legend_breaks_between_parts_only() -> None:
    assert drawn(SHARES, 34)[1:] == ["█ 82% inserted  ▓ 18% updated", "▒ 0% outranked  ░ <1% rejected"]


def test_off_a_terminal_there_is_no_bar() -> None:
    out = io.StringIO()
    Console(file=out, width=1000).print(SHARES)
    assert out.getvalue() == "82% inserted, 18% updated, 0% outranked, <1% rejected\n"


def test_without_unicode_the_bar_is_ascii() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=out, force_terminal=True, color_system=None, width=20)
    console.print(Shares({"a": 3, "b": 1}))
    out.flush()
    assert out.buffer.getvalue().splitlines()[0] == b"#" * 15 + b"=" * 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("count", "total", "shown"),
    [(0, 0, "0%"), (0, 9, "0%"), (9, 9, "100%"), (1, 1000, "<1%"), (999, 1000, ">99%"), (1, 3, "33%"), (2, 3, "67%")],
)
def test_only_what_is_exactly_nothing_or_all_is_shown_so(count: int, total: int, shown: str) -> None:
    assert percent(count, total) == shown


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=4), st.integers(20, 60))
def test_a_bar_is_full_and_shows_every_part(counts: list[int], width: int) -> None:
    cells = cells_of(counts, width)
    assert sum(cells) == (width if sum(counts) else 0)
    assert [cell > 0 for cell in cells] == [count > 0 for count in counts]
