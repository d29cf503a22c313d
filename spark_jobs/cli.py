"""The `order-tracking` command: `ingest`, which Databricks runs, and the operator's commands."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

import click

from spark_jobs import bootstrap
from spark_jobs.changes.run import publish_changes
from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.changes.stream import start_changes
from spark_jobs.cloud.ports import FileRefused, TransientError
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS, feed_named
from spark_jobs.contract.violations import shorten
from spark_jobs.operator.decisions import reject, retry
from spark_jobs.operator.options import SettingsOf, feed_option, location_options, outcome_topic_option
from spark_jobs.operator.replay import replay
from spark_jobs.operator.report import report
from spark_jobs.operator.status import status
from spark_jobs.operator.watch import watch
from spark_jobs.settings import (
    BucketLayout,
    Explained,
    IngestSettings,
    Pace,
    check_contract_version,
    parse_not_before,
    parse_ratio,
)
from spark_jobs.steps.continuous import ingest_continuously
from spark_jobs.steps.ingest import ingest as run_ingest
from spark_jobs.steps.run import FilesFailed
from spark_jobs.steps.stopping import StopRequest
from spark_jobs.steps.supervision import Beside
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.session import open_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.streaming import StreamingQuery

SHOWN_FILES = 3
_log = logging.getLogger(__name__)


@click.group()
def main() -> None:
    """Ingest the feeds' files, and see or change what happens to them."""


# In options of `ingest`, empty means "not set": Databricks always passes every job parameter.
@main.command()
@location_options
@outcome_topic_option
@feed_option
@click.option("--max-bad-row-ratio", default="0.1", show_default=True, help="Reject files with a larger share of bad rows.")
@click.option("--not-before", default="", help="Wait until this time (at most a minute) before listing files.")
@click.option("--contract-version", default="", help="Refuse to run if this wheel has another contract version.")
@click.option("--files-root", default="", help="Folder or volume with the bucket's objects. If empty: gs://BUCKET.")
@click.option("--service-credential", default="", help="Unity Catalog service credential for Google Cloud.")
@click.option("--continuous", is_flag=True, help="Keep the Spark session, and process files as they come until stopped.")
@click.option("--poll-seconds", default="", help="With --continuous: how often to list files. If empty: 2.")
@click.option("--max-hours", default="", help="With --continuous: end after this time, for a fresh run. If empty: 24.")
@click.option("--changes-topic", default="", help="With --continuous: publish the changes of rows to projects/P/topics/T.")
@click.option("--checkpoint", default="", help="With --changes-topic: place that keeps what was published.")
def ingest(layout: BucketLayout, settings_of: SettingsOf, feed: str, *, continuous: bool, **options: str) -> None:
    """Merge every accepted file in the bucket into its feed's target table and archive it."""
    configure_logging()
    check_contract_version(options["contract_version"])
    settings = settings_of(
        files_root=options["files_root"],
        outcome_topic=options["outcome_topic"],
        service_credential=options["service_credential"],
        max_bad_row_ratio=parse_ratio(options["max_bad_row_ratio"]),
        not_before=parse_not_before(options["not_before"]),
    )
    pace = Pace.parse(options["poll_seconds"], options["max_hours"])
    deps, feeds = bootstrap.build_dependencies(settings), [feed] if feed else ()
    failed = None
    try:
        if continuous:
            lasting = partial(open_session, lasting=True)
            beside = queries_beside(settings, options["changes_topic"], options["checkpoint"], feeds)
            entries = ingest_continuously(settings, deps, lasting, feeds, pace=pace, stop=StopRequest(), beside=beside)
        else:
            entries = run_ingest(settings, deps, open_session, feeds)
    except FilesFailed as error:
        failed, entries = error, error.entries
    check_balance(entries, failed)
    if failed:
        raise failed


def queries_beside(settings: IngestSettings, topic: str, checkpoint: str, feeds: Collection[str]) -> Beside:
    """One query per feed that publishes its changes; none without a topic."""
    if not topic:
        return {}
    changes = ChangesSettings(settings, topic, checkpoint)

    def starting(feed: Feed) -> Callable[[SparkSession], StreamingQuery]:
        publisher = bootstrap.build_change_publisher(topic, settings.service_credential)
        return lambda spark: start_changes(spark, changes, feed, publisher, continuous=True)

    return {f"changes of {name}": starting(feed) for name, feed in FEEDS.items() if not feeds or name in feeds}


# Empty means "not set" here, too.
@main.command()
@location_options
@feed_option
@click.option("--changes-topic", default="", help="Topic for changes, projects/P/topics/T. If empty, nothing is published.")
@click.option("--checkpoint", default="", help="Folder, volume or gs:// place that keeps what was published.")
@click.option(
    "--from",
    "start",
    default="now",
    show_default=True,
    help="What a new checkpoint begins with: now, or beginning (the table).",
)
@click.option("--continuous", is_flag=True, help="Go on, with a look every second.")
@click.option("--service-credential", default="", help="Unity Catalog service credential for Google Cloud.")
def changes(layout: BucketLayout, settings_of: SettingsOf, feed: str, continuous: bool, **options: str) -> None:
    """Publish each change of a row in the target tables as a Pub/Sub message (docs/live.md)."""
    configure_logging()
    if not options["changes_topic"]:
        _log.info("step=changes no --changes-topic: changes are not published")
        return
    credential = options["service_credential"]
    tables = settings_of(service_credential=credential)
    settings = ChangesSettings(tables, options["changes_topic"], options["checkpoint"], options["start"] or "now")
    connect = partial(bootstrap.build_change_publisher, settings.topic, credential)
    feeds = [feed_named(feed)] if feed else list(FEEDS.values())
    publish_changes(open_session(), settings, feeds, connect, continuous=continuous)


def check_balance(entries: list[LogEntry], failed: Exception | None = None) -> None:
    """Fail the run if the counts of function and job differ, so that an alert fires. All files are merged and archived by
    then. Raises UnbalancedLog, which names the first files, and what else ``failed``.
    """
    unbalanced = [str(entry.file) for entry in entries if entry.balanced is False]
    if unbalanced:
        named = ", ".join(shorten(file) for file in unbalanced[:SHOWN_FILES])
        also = f"; also: {failed}" if failed else ""
        raise UnbalancedLog(
            f"{len(unbalanced)} files do not balance: {named}{', …' if len(unbalanced) > SHOWN_FILES else ''}; they are "
            "merged and archived; find them in the ingest log where balanced = false and report them to the developers"
            f"{also}"
        )


for command in (status, report, replay, reject, retry, watch):
    main.add_command(command)


class UnbalancedLog(Explained):
    """The merged rows don't match the counted rows."""


class RunFailed(Exception):
    """What the run's page shows: one sentence for the person who can act."""


def configure_logging() -> None:
    """Plain-text lines on stdout, where Databricks and the local jobs server collect them."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("spark_jobs")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def run() -> None:
    """The wheel's entry point. Databricks calls it as a function: returning means success, raising means failure."""
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        raise RunFailed(error.format_message()) from None
    except click.Abort:
        raise RunFailed("interrupted from the keyboard") from None
    except (Explained, TransientError, FileRefused) as error:
        raise RunFailed(f"{_feed(error)}{error}") from error
    except Exception as error:
        # The full stack trace goes to the log. The on-call person sees one line first.
        _log.exception("step=run failed")
        first = next(iter(str(error).splitlines()), "")
        raise RunFailed(f"{_feed(error)}{type(error).__name__}: {shorten(first.strip())}") from error


def _feed(error: Exception) -> str:
    """The feed that failed, as `ingest` notes it."""
    return "".join(f"{note}: " for note in getattr(error, "__notes__", ()))


if __name__ == "__main__":
    try:
        run()
    except RunFailed as failed:
        raise SystemExit(f"error: {failed}") from None
