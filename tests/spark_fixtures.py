"""The one Spark session of a test run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Local Spark with Delta, as the job starts it."""
    from spark_jobs.store.session import open_session

    os.environ.setdefault("TZ", "UTC")
    with pytest.MonkeyPatch.context() as patch:
        # This one lives for minutes, unlike a run: both of Java's compilers pay.
        patch.setenv("ORDER_TRACKING_JAVA_OPTIONS", os.environ.get("ORDER_TRACKING_JAVA_OPTIONS", ""))
        session = open_session()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the session, so that `-m "not spark"` runs without Java."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.spark)
