"""Settings of the stream are refused with one sentence that names the option."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.contract.feeds import CUSTOMER_ORDERS
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError

INGEST = IngestSettings(BucketLayout("b"), catalog="c", schema="s")
TOPIC = "projects/p/topics/t"


@pytest.mark.parametrize(
    ("topic", "checkpoint", "start", "named"),
    [("t", "/c", "now", "--changes-topic"), ("projects//topics/t", "/c", "now", "--changes-topic"),
     (TOPIC, "", "now", "--checkpoint"), (TOPIC, "/c", "yesterday", "--from")],
)  # fmt: skip
def test_invalid_settings(topic: str, checkpoint: str, start: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        ChangesSettings(INGEST, topic, checkpoint, start)


@pytest.mark.parametrize("place", ["gs://b/checkpoints", "/Volumes/c/s/v/checkpoints/"])
def test_each_feed_has_its_own_checkpoint_and_tables(place: str) -> None:
    settings = ChangesSettings(INGEST, TOPIC, place)
    assert settings.checkpoint_of(CUSTOMER_ORDERS) == f"{place.rstrip('/')}/customer_orders"
    assert settings.tables_of(CUSTOMER_ORDERS).target == "`c`.`s`.`customer_orders_target`"


def test_a_folder_does_not_depend_on_where_spark_was_started() -> None:
    assert ChangesSettings(INGEST, TOPIC, "x").checkpoint_of(CUSTOMER_ORDERS) == str(Path("x/customer_orders").absolute())


def test_they_can_be_pickled() -> None:
    """Under Spark Connect, batches are handled in another process."""
    settings = ChangesSettings(INGEST, TOPIC, "/c")
    assert pickle.loads(pickle.dumps(settings)) == settings
