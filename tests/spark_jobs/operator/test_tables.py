"""Tables and details on terminals of several widths, with long and hostile names."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from spark_jobs.operator.tables import Cell, Column, Details, Table, shorten_path
from tests.spark_jobs.operator.conftest import drawn

COLUMNS = [Column("file", "path"), Column("rows", "count"), Column("reason", folds=True)]
BASE = "order_tracking_2026_01_31.csv"


def plain(rows: list[list[Cell]]) -> list[str]:
    """As it is written to a pipe."""
    out = io.StringIO()
    Console(file=out, width=10_000).print(Table(COLUMNS, rows))
    return out.getvalue().splitlines()


def test_rows_that_fit_are_lines_with_counts_at_the_right() -> None:
    assert drawn(Table(COLUMNS, [[BASE, 1_234_567, "no column"], ["b.csv", 0, None], ["c.csv", None, "x"]])) == [
        "file                                rows  reason",
        "───────────────────────────────────────────────────",
        "order_tracking_2026_01_31.csv  1,234,567  no column",
        "b.csv                                  0",
        "c.csv                                     x",
    ]


def test_long_texts_move_below_their_row_and_wrap() -> None:
    reason = "the header has no column tracking_num; expected order_num, tracking_num, status and others"
    assert drawn(Table(COLUMNS, [[BASE, 3, reason], ["b.csv", 4, None]])) == [
        "file                           rows",
        "  reason",
        "───────────────────────────────────",
        "order_tracking_2026_01_31.csv     3",
        "  the header has no column tracking_num; expected order_num, tracking_num,",
        "  status and others",
        "b.csv                             4",
    ]


def test_long_paths_are_shortened_in_the_middle_before_a_text_moves() -> None:
    path = f"source/{'folder/' * 10}{BASE}"
    assert drawn(Table(COLUMNS, [[path, 3, "no column"]])) == [
        f"file{' ' * 61}rows  reason",
        "─" * 80,
        f"source/folder/folder/folder/fold…/{BASE}     3  no column",
    ]


def test_hostile_names_are_escaped_and_neither_break_nor_widen_a_table() -> None:
    rows: list[list[Cell]] = [
        ["\x1b[31m[bold]red\n.csv", 1, "\x07[link=http://x]y"],
        ["源/" + "文" * 200 + ".csv", 2, "文" * 60],
        ["/" * 300, 3, None],
        ["", 4, ""],
    ]
    lines = drawn(Table(COLUMNS, rows))
    assert any(line.startswith("\\x1b[31m[bold]red\\n.csv") for line in lines)
    assert "  \\x07[link=http://x]y" in lines
    assert len(lines) == 3 + 4 + 3
    for width in (30, 50, 79, 200):
        drawn(Table(COLUMNS, rows), width)


def test_off_a_terminal_nothing_is_cut_or_moved() -> None:
    path, reason = f"source/{'x' * 500}/{BASE}", "y " * 300
    assert plain([[path, 3, reason]])[2] == f"{path}     3  {reason}".rstrip()


def test_a_table_without_rows_is_nothing() -> None:
    assert plain([]) == []


def test_details_wrap_and_lose_nothing() -> None:
    place = f"archive/2026/01/31/{'x' * 90}/{BASE}"
    lines = drawn(Details(f"bucket/{'y' * 100}#1", [("state", "merged"), ("location", place), ("", "a\x1b")]))
    assert "".join(lines[:2]) == f"bucket/{'y' * 100}#1"
    assert lines[2] == "  state     merged"
    assert "".join(line[12:] for line in lines[3:-1]) == place
    assert lines[-1] == "            a\\x1b"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (47, f"source/2026/01/31/{BASE}"),
        (46, f"source/2026/01/…/{BASE}"),
        (40, f"source/20…/{BASE}"),
        (31, f"…/{BASE}"),
        (30, "order_tracking…_2026_01_31.csv"),
        (20, "order_tra…_01_31.csv"),
    ],
)
def test_a_base_name_stays_whole_if_it_fits(width: int, shown: str) -> None:
    assert shorten_path(f"source/2026/01/31/{BASE}", width) == shown


@given(st.text(max_size=60), st.integers(12, 50))
def test_a_shortened_path_never_exceeds_its_width(path: str, width: int) -> None:
    short = shorten_path(path, width)
    assert cell_len(short) <= width
    assert short == path if cell_len(path) <= width else "…" in short
