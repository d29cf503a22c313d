"""The order-tracking feed: which file names it accepts, and that its declaration is consistent."""

from __future__ import annotations

from datetime import date

import pytest

from spark_jobs.contract.feeds import ORDER_TRACKING, name_problem


@pytest.mark.parametrize(
    "name",
    [
        "order_tracking_2026_01_31.csv",
        "replay/x/order_tracking_2024_02_29.csv",
        "North America/2026/order_tracking_0001_01_01.csv",
    ],
)
def test_valid_names(name: str) -> None:
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
def test_invalid_base_names(base: str) -> None:
    assert "order_tracking_YYYY_MM_DD.csv" in str(name_problem(ORDER_TRACKING, base))


@pytest.mark.parametrize(
    "folder",
    ["/", "a//", "../", "_hidden/", ".x/", "a*/", "a?b/", "{a,b}/", "é/", "a#b/", "a%2Fb/", "a:b/", "a\n/", "[a]/"],
)
def test_folders_that_readers_would_interpret_differently(folder: str) -> None:
    assert "folder names" in str(name_problem(ORDER_TRACKING, folder + "order_tracking_2026_01_31.csv"))


def test_the_date_in_a_name() -> None:
    assert ORDER_TRACKING.file_date("order_tracking_2024_02_29.csv") == date(2024, 2, 29)
    assert ORDER_TRACKING.file_date("order_tracking_2026_02_29.csv") is None


def test_newest_by_covers_every_column_but_the_key_so_that_the_order_is_total() -> None:
    assert sorted((*ORDER_TRACKING.newest_by, ORDER_TRACKING.key)) == sorted(ORDER_TRACKING.column_names)
