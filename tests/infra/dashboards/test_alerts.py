"""Each feed has its own alerts, in production only, and each says what to do."""

from __future__ import annotations

import yaml

from infra.dashboards.alerts import ALERTS, TARGETS, bundle_file
from spark_jobs.contract.feeds import FEEDS

FILE = yaml.safe_load(bundle_file(FEEDS.values()))


def test_every_feed_has_every_alert_in_production_only() -> None:
    assert FILE["targets"].keys() == set(TARGETS) == {"prod", "live", "prod_cluster"}
    for target in FILE["targets"].values():
        assert target["resources"]["alerts"].keys() == {f"{feed}_{alert.name}" for feed in FEEDS for alert in ALERTS}


def test_an_alert_reads_the_tables_of_its_feed_only() -> None:
    """The tables of another feed may not exist yet, and the whole query would fail."""
    alerts = FILE["targets"]["prod"]["resources"]["alerts"]
    for feed in FEEDS.values():
        others = [other.table_prefix for other in FEEDS.values() if other is not feed]
        for alert in ALERTS:
            body = alerts[f"{feed.name}_{alert.name}"]
            assert f"`${{var.catalog}}`.`${{var.schema}}`.{feed.table_prefix}_ingest_log" in body["query_text"]
            assert not [prefix for prefix in others if f".{prefix}_" in body["query_text"]]
            assert feed.title in body["display_name"]
            assert "${var.name}" in body["display_name"], "two installations must be told apart"


def test_alerts_are_evaluated_in_the_same_minute() -> None:
    """Each evaluation starts the warehouse, which then runs for minutes."""
    minutes = {alert.schedule.split()[1] for alert in ALERTS}
    assert len(minutes) == 1


def test_each_alert_says_what_to_do() -> None:
    for alert in ALERTS:
        assert len(alert.help) > 100
        assert alert.column in alert.statement
