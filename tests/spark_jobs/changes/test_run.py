"""Several feeds in one run of the command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from spark_jobs.changes import run as module
from spark_jobs.changes.run import ChangesFailed, publish_changes
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, ORDER_TRACKING
from tests.fakes.changes import FakeChanges
from tests.spark_jobs.changes.test_settings import INGEST, TOPIC

SETTINGS = module.ChangesSettings(INGEST, TOPIC, "/c")
FEEDS = [ORDER_TRACKING, CUSTOMER_ORDERS]


@dataclass
class Query:
    """Ends after some looks, or never; with an error or not."""

    looks: int | None = 1
    error: str = ""
    stopped: bool = False

    def awaitTermination(self, timeout: float) -> bool:
        if self.looks is None:
            return False
        self.looks -= 1
        if self.looks <= 0 and self.error:
            raise RuntimeError(self.error)
        return self.looks <= 0

    def stop(self) -> None:
        self.stopped = True


@dataclass
class Starts:
    """Stands for `start_changes`."""

    queries: dict[str, Query | Exception]
    publishers: list[Any] = field(default_factory=list)

    def __call__(self, spark: Any, settings: Any, feed: Any, publisher: Any, *, continuous: bool) -> Query:
        self.publishers.append(publisher)
        query = self.queries[feed.name]
        if isinstance(query, Exception):
            raise query
        return query


def publish(monkeypatch: pytest.MonkeyPatch, one: Query | Exception, other: Query, *, continuous: bool = False) -> Starts:
    nothing: Any = None
    starts = Starts({ORDER_TRACKING.name: one, CUSTOMER_ORDERS.name: other})
    monkeypatch.setattr(module, "start_changes", starts)
    publish_changes(nothing, SETTINGS, FEEDS, FakeChanges, continuous=continuous)
    return starts


def test_it_returns_when_all_feeds_are_done_and_each_has_its_own_publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = publish(monkeypatch, Query(3), Query(1))
    assert len({id(publisher) for publisher in starts.publishers}) == 2


@pytest.mark.parametrize("failing", [Query(1, "it broke"), RuntimeError("it broke")], ids=["runs", "starts"])
def test_a_feed_that_fails_is_named_and_the_others_end(monkeypatch: pytest.MonkeyPatch, failing: Query | Exception) -> None:
    other = Query(4)
    with pytest.raises(ChangesFailed, match=r"^changes of order_tracking: RuntimeError: it broke$"):
        publish(monkeypatch, failing, other)
    assert other.looks == 0


def test_a_continuous_run_ends_with_the_first_error_and_stops_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Query(None)
    with pytest.raises(ChangesFailed, match="order_tracking"):
        publish(monkeypatch, Query(2, "it broke"), other, continuous=True)
    assert other.stopped
