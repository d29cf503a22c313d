"""Chooses the job's adapters; nothing else does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from spark_jobs.cloud.ports import Announcer, Job
from spark_jobs.dependencies import Dependencies
from spark_jobs.queries.engine import Engine
from spark_jobs.settings import IngestSettings, SettingsError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from google.auth.credentials import Credentials


def build_dependencies(settings: IngestSettings | None = None, storage_retry_seconds: float | None = None) -> Dependencies:
    """Cloud Storage, and Pub/Sub if the settings name a topic. Raises SettingsError. ``storage_retry_seconds``: for a
    command whose reader waits.
    """
    from spark_jobs.cloud.gcs import GcsFileStore
    from spark_jobs.cloud.pubsub import LogAnnouncer, PubSubAnnouncer

    credentials = _service_credential(settings.service_credential if settings else "")
    topic = settings.outcome_topic if settings else ""
    announcer: Announcer = PubSubAnnouncer(topic, credentials) if topic else LogAnnouncer()
    return Dependencies(GcsFileStore.connect(credentials, storage_retry_seconds), announcer)


def build_job(job_id: int) -> Job:
    """The Databricks job, with the SDK's login from the environment, for an operator's command."""
    from databricks.sdk import WorkspaceClient

    from spark_jobs.cloud.databricks_jobs import DatabricksJob

    return DatabricksJob(WorkspaceClient, job_id)


def build_engine(settings: IngestSettings, sql_warehouse: str) -> Engine:
    """What reads the tables for an operator's command: a SQL warehouse, or DuckDB for a folder. Raises SettingsError."""
    from spark_jobs.queries.delta_folder import DeltaFolder
    from spark_jobs.queries.sql_warehouse import SqlWarehouse

    if settings.warehouse:
        return DeltaFolder(settings.warehouse)
    if not sql_warehouse:
        raise SettingsError("tables in Unity Catalog are read through a SQL warehouse: name its id with --sql-warehouse")

    def connect() -> WorkspaceClient:
        from databricks.sdk import WorkspaceClient

        return WorkspaceClient()

    return SqlWarehouse(connect, sql_warehouse, settings.catalog, settings.schema)


def _service_credential(name: str) -> Credentials | None:
    """Google credentials from a Unity Catalog service credential; None means application default credentials."""
    if not name:
        return None
    if "DATABRICKS_RUNTIME_VERSION" not in os.environ:
        raise SettingsError("--service-credential works on Databricks only; omit it elsewhere")
    from databricks.sdk.runtime import dbutils

    credentials: Any = dbutils.credentials
    provided: Credentials = credentials.getServiceCredentialsProvider(name)
    return provided
