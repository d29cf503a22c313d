"""The page with all questions about the demo's data, from its tables and its bucket."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from infra.local.folder import Addresses
from infra.local.uploads import connect
from spark_jobs.cloud.gcs import GcsFileStore
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.operator.bucket_answers import with_bucket
from spark_jobs.operator.report import write_page
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.report.gather import gather
from spark_jobs.settings import BucketLayout


def write_report(addresses: Addresses, file: Path) -> None:
    """The stack must be running."""
    tables = gather(DeltaFolder(addresses.warehouse), list(FEEDS.values()), datetime.now(UTC), addresses.warehouse)
    write_page(with_bucket(tables, GcsFileStore(connect(addresses.storage)), BucketLayout(addresses.bucket)), file)
