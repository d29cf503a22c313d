"""The registry: which file name belongs to which feed, and which feeds clash."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.feed import DeclarationError, Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING, feed_of, name_problem, registry


@pytest.mark.parametrize(
    ("name", "feed"),
    [
        ("order_tracking_2026_01_31.csv", ORDER_TRACKING),
        ("replay/x/order_tracking_2024_02_29.csv", ORDER_TRACKING),
        ("North America/2026/order_tracking_0001_01_01.csv", ORDER_TRACKING),
        ("customer_orders_2026_01_31.csv", CUSTOMER_ORDERS),
        ("orders/customer_orders_2026_01_31.csv", CUSTOMER_ORDERS),
        ("order_tracking/customer_orders_2026_01_31.csv", CUSTOMER_ORDERS),
        ("order_tracking_2026_01_31.csv/customer_orders_2026_01_31.csv", CUSTOMER_ORDERS),
    ],
)
def test_valid_names(name: str, feed: Feed) -> None:
    assert feed_of(name) is feed
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "base",
    [
        "order_tracking_2026_02_30.csv",
        "order_tracking_2025_02_29.csv",
        "customer_orders_0000_01_01.csv",
        "order_tracking_2026_1_31.csv",
        "order_tracking_2026_01_31.CSV",
        "order_tracking_2026_01_31.csv.gz",
        "Order_tracking_2026_01_31.csv",
        "customer_orders_order_tracking_2026_01_31.csv",
        "customer_orders__2026_01_31.csv",
        "customer_order_2026_01_31.csv",
        "orders_2026_01_31.csv",
        "_2026_01_31.csv",
        "",
        "x.csv",
        "order_tracking_2026_01_31.csv\n",
        "order_tracking_２０２６_01_31.csv",
        " order_tracking_2026_01_31.csv",
    ],
)
@pytest.mark.parametrize("folder", ["", "eu/", "order_tracking_2026_01_31.csv/"])
def test_names_of_no_feed(folder: str, base: str) -> None:
    """The refusal lists every feed, so that the sender finds the right name."""
    assert feed_of(folder + base) is None
    problem = str(name_problem(folder + base))
    assert "order_tracking_YYYY_MM_DD.csv or customer_orders_YYYY_MM_DD.csv" in problem


@pytest.mark.parametrize(
    "folder",
    ["/", "a//", "../", "_hidden/", ".x/", "a*/", "a?b/", "{a,b}/", "é/", "a#b/", "a%2Fb/", "a:b/", "a\n/", "[a]/"],
)
def test_folders_that_readers_would_interpret_differently(folder: str) -> None:
    assert "folder names" in str(name_problem(folder + "order_tracking_2026_01_31.csv"))


prefixes = st.lists(st.sampled_from(["a", "b", "_", "1", "2026", "_01", "_31"]), max_size=5).map(
    lambda parts: "a" + "".join(parts)
)


@given(st.lists(prefixes, min_size=1, max_size=4, unique=True), st.data())
def test_a_name_belongs_to_one_feed_at_most(prefixes: list[str], data: st.DataObject) -> None:
    """Even if one feed's prefix begins with another one's, or looks like a date."""
    feeds = [replace(ORDER_TRACKING, name=prefix, file_prefix=prefix, table_prefix=prefix) for prefix in prefixes]
    name = data.draw(st.sampled_from(prefixes)) + data.draw(
        st.sampled_from(["_2026_01_31.csv", "_01_2026_01_31.csv", ".csv"])
    )
    matches = [feed for feed in registry(*feeds).values() if feed.file_date(name) is not None]
    assert len(matches) <= 1
    assert all(name == f"{feed.file_prefix}_2026_01_31.csv" for feed in matches)


def test_another_feed_needs_only_its_place_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    another = replace(ORDER_TRACKING, name="of_this_test", file_prefix="of_this_test", table_prefix="of_this_test")
    assert feed_of("of_this_test_2026_01_31.csv") is None
    monkeypatch.setitem(FEEDS, "of_this_test", another)
    assert feed_of("eu/of_this_test_2026_01_31.csv") is another
    assert name_problem("eu/of_this_test_2026_01_31.csv") is None
    assert "of_this_test_YYYY_MM_DD.csv" in str(name_problem("x.csv"))


@pytest.mark.parametrize("what", ["name", "file_prefix", "table_prefix"])
def test_two_feeds_that_clash_are_refused(what: str) -> None:
    other = replace(CUSTOMER_ORDERS, **{what: getattr(ORDER_TRACKING, what)})
    with pytest.raises(
        DeclarationError, match=f"two feeds have the {what.replace('_', ' ')} 'order.*'; each feed needs its own"
    ):
        registry(ORDER_TRACKING, other)


def test_the_registry_finds_each_feed_by_its_own_name() -> None:
    assert registry(*FEEDS.values()) == FEEDS
    assert (FEEDS["order_tracking"], FEEDS["customer_orders"]) == (ORDER_TRACKING, CUSTOMER_ORDERS)
    assert (ORDER_TRACKING.table_prefix, CUSTOMER_ORDERS.table_prefix) == ("orders", "customer_orders")


def test_the_date_in_a_name() -> None:
    assert ORDER_TRACKING.file_date("order_tracking_2024_02_29.csv") == date(2024, 2, 29)
    assert CUSTOMER_ORDERS.file_date("order_tracking_2024_02_29.csv") is None


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_newest_by_covers_every_column_but_the_key_so_that_the_order_is_total(feed: Feed) -> None:
    assert sorted((*feed.newest_by, *feed.key)) == sorted(feed.column_names)
