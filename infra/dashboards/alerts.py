"""The SQL alerts of the bundle. Each feed has its own: the tables of a feed appear with its first file, and until then its
alerts fail, which must not silence those of other feeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]

from spark_jobs.contract.feed import Feed

TARGETS = ("prod", "live", "prod_cluster")
# In the same minute, so that the warehouse starts once an hour.
_HOURLY, _DAILY = "0 15 * * * ?", "0 15 6 * * ?"
Json = dict[str, Any]


@dataclass(frozen=True)
class Alert:
    """``statement`` gives one row; the alert triggers while its ``column`` is more than ``threshold``.

    ``{ingest_log}`` and ``{attempts}`` in the statement stand for the feed's tables.
    """

    name: str
    title: str
    help: str
    statement: str
    column: str
    threshold: float | str
    schedule: str


ALERTS = (
    Alert(
        "waiting",
        "a file is not merged within an hour",
        "A run took the file more than an hour ago, and no run has finished it: runs fail, or the file is parked. Look at "
        "the job's latest runs; docs/operations.md, Parked files. No table knows the files that no run has taken: Google "
        "Cloud's alert about waiting files does.",
        """\
SELECT COUNT(*) AS files
FROM (SELECT file_id, MIN(attempted_at) AS taken_at FROM {attempts} GROUP BY file_id) AS taken
LEFT ANTI JOIN {ingest_log} AS finished ON taken.file_id = finished.file_id
WHERE taken_at < current_timestamp() - INTERVAL 1 HOUR
""",
        "files",
        0,
        _HOURLY,
    ),
    Alert(
        "unbalanced",
        "the log does not balance",
        "Function and job counted different numbers of rows in a file of the last 24 hours, which is a bug. The file is "
        "loaded and archived. It is in the ingest log where balanced = false; keep it and report it.",
        """\
SELECT COUNT(*) AS files
FROM {ingest_log}
WHERE NOT balanced AND logged_at >= current_timestamp() - INTERVAL 24 HOURS
""",
        "files",
        0,
        _HOURLY,
    ),
    Alert(
        "rejected_share",
        "many rows are rejected",
        "Of the rows of the last 24 hours' files, a larger share is rejected than REJECTED_SHARE_ALERT. The table of "
        "rejected rows has each of them with its violations; ask the sender to correct them.",
        """\
SELECT COALESCE(try_divide(SUM(rejected_rows), SUM(`rows`)), 0) AS share
FROM {ingest_log}
WHERE outcome = 'merged' AND logged_at >= current_timestamp() - INTERVAL 24 HOURS
""",
        "share",
        "${var.rejected_share_alert}",
        _DAILY,
    ),
)


def bundle_file(feeds: Iterable[Feed]) -> str:
    """The bundle's file with the alerts of the targets in production."""
    alerts = {f"{feed.name}_{alert.name}": _resource(feed, alert) for feed in feeds for alert in ALERTS}
    targets = {target: {"resources": {"alerts": alerts}} for target in TARGETS}
    about = "# Written by `make contracts` from infra/dashboards/alerts.py: edit that instead.\n"
    return about + yaml.dump({"targets": targets}, Dumper=_Dumper, sort_keys=False, width=10_000)


def _resource(feed: Feed, alert: Alert) -> Json:
    return {
        "display_name": f"${{var.name}}: {feed.title}: {alert.title}",
        "custom_summary": f"{feed.title}: {alert.title}",
        "custom_description": alert.help,
        "query_text": _statement(feed, alert),
        "warehouse_id": "${var.sql_warehouse_id}",
        # Whoever deploys need not be allowed to read the tables.
        "run_as": {"service_principal_name": "${var.job_principal}"},
        "schedule": {
            "quartz_cron_schedule": alert.schedule,
            "timezone_id": "UTC",
            "pause_status": "${var.sql_alerts}",
        },
        "evaluation": {
            "source": {"name": alert.column},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"value": {"double_value": alert.threshold}},
            "empty_result_state": "OK",
            "notification": {"notify_on_ok": True, "subscriptions": "${var.alert_subscriptions}"},
        },
    }


def _statement(feed: Feed, alert: Alert) -> str:
    """An alert has no default catalog and schema, unlike a dashboard."""
    tables = {
        name: f"`${{var.catalog}}`.`${{var.schema}}`.{feed.table_prefix}_{name}" for name in ("attempts", "ingest_log")
    }
    return alert.statement.format(**tables)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Statements as blocks, as a person would write them."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
