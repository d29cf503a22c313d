"""`order-tracking`: what Databricks runs, and what an operator types."""

from __future__ import annotations

import logging
import sys

import click

from spark_jobs.cloud.ports import FileRefused, TransientError
from spark_jobs.contract.violations import shorten
from spark_jobs.operator.backlog import StillWaiting
from spark_jobs.operator.commands import replay, status
from spark_jobs.settings import (
    BucketLayout,
    IngestSettings,
    SettingsError,
    check_contract_version,
    parse_not_before,
    parse_ratio,
)
from spark_jobs.steps.run import FilesFailed
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.session import SessionError, open_session

_log = logging.getLogger(__name__)


SHOWN_FILES = 3


@click.group()
def main() -> None:
    """Stages, merges and archives accepted order tracking files."""


@main.command()
@click.option("--bucket", default="", help="Bucket that the files are uploaded to, without gs://.")
@click.option("--source-prefix", default="source/", show_default=True)
@click.option("--archive-prefix", default="archive/", show_default=True)
@click.option("--rejected-prefix", default="rejected/", show_default=True)
@click.option("--outcome-topic", default="", help="projects/P/topics/T; empty: outcomes go to the log only.")
@click.option("--max-bad-row-ratio", default="0.1", show_default=True, help="Above it a file is rejected as a whole.")
@click.option("--not-before", default="", help="Wait for this moment (a minute at most) before listing files.")
@click.option("--contract-version", default="", help="Refuse to run if it isn't the one this wheel knows.")
@click.option("--catalog", default="", help="Unity Catalog catalog of the tables.")
@click.option("--schema", default="", help="Schema of the tables in that catalog.")
@click.option("--warehouse", default="", help="A folder for plain Delta tables, instead of catalog and schema.")
@click.option("--files-root", default="", help="A folder or volume that holds the bucket's objects; empty: gs://BUCKET.")
@click.option("--service-credential", default="", help="Unity Catalog service credential for Google Cloud.")
def ingest(**options: str) -> None:
    """Take every accepted file in the bucket, merge it into orders_target, archive it."""
    from spark_jobs.bootstrap import build_dependencies
    from spark_jobs.steps.ingest import ingest as run_ingest

    configure_logging()
    check_contract_version(options.pop("contract_version"))
    settings = ingest_settings(options)
    failed = None
    try:
        entries = run_ingest(settings, build_dependencies(settings), open_session)
    except FilesFailed as error:
        failed, entries = error, error.entries
    check_balance(entries, failed)
    if failed:
        raise failed


def check_balance(entries: list[LogEntry], failed: Exception | None = None) -> None:
    """A difference between the counts of function and job is an alarm: the run fails after everything is loaded and
    archived. Raises UnbalancedLog, naming the first files, and what else ``failed``.
    """
    wrong = [str(entry.file) for entry in entries if entry.balanced is False]
    if wrong:
        named = ", ".join(shorten(file) for file in wrong[:SHOWN_FILES])
        also = f"; also: {failed}" if failed else ""
        raise UnbalancedLog(
            f"{len(wrong)} files do not balance, among them {named}; they are loaded and archived: "
            f"look them up in orders_ingest_log where balanced = false and report them to the developers{also}"
        )


def ingest_settings(options: dict[str, str]) -> IngestSettings:
    """Options of the command line, checked. Raises SettingsError."""
    layout = BucketLayout(
        options["bucket"],
        *(options[name] or default for name, default in _PREFIXES.items()),
    )
    return IngestSettings(
        layout,
        catalog=options["catalog"],
        schema=options["schema"],
        warehouse=options["warehouse"],
        files_root=options["files_root"],
        outcome_topic=options["outcome_topic"],
        service_credential=options["service_credential"],
        max_bad_row_ratio=parse_ratio(options["max_bad_row_ratio"]),
        not_before=parse_not_before(options["not_before"]),
    )


_PREFIXES = {"source_prefix": "source/", "archive_prefix": "archive/", "rejected_prefix": "rejected/"}


main.add_command(status)
main.add_command(replay)


class UnbalancedLog(Exception):
    """What was loaded isn't what was counted."""


class RunFailed(Exception):
    """What the run's page shows: one sentence for the person who can act."""


def configure_logging() -> None:
    """Readable lines on stdout, where Databricks and the local jobs server collect them."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("spark_jobs")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def run() -> None:
    """The wheel's entry point. Databricks calls it as a function: returning is success, raising is failure."""
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        raise RunFailed(error.format_message()) from None
    except click.Abort:
        raise RunFailed("stopped by the keyboard") from None
    except (SettingsError, SessionError, TransientError, FileRefused, UnbalancedLog, StillWaiting, FilesFailed) as error:
        raise RunFailed(str(error)) from error
    except Exception as error:
        # A page of the engine's stack goes to the log; who is called at night reads one line first.
        _log.exception("step=run failed")
        first = next(iter(str(error).splitlines()), "")
        raise RunFailed(f"{type(error).__name__}: {shorten(first.strip())}") from error


if __name__ == "__main__":
    try:
        run()
    except RunFailed as failed:
        raise SystemExit(f"error: {failed}") from None
