"""The wiring chooses adapters by the settings."""

from __future__ import annotations

import pytest

from spark_jobs.bootstrap import build_dependencies, build_engine
from spark_jobs.cloud.pubsub import LogAnnouncer
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.queries.sql_warehouse import SqlWarehouse
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError


def test_without_a_topic_outcomes_are_only_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    settings = IngestSettings(BucketLayout("b"), warehouse="w")
    assert isinstance(build_dependencies(settings).announcer, LogAnnouncer)


def test_a_databricks_credential_is_refused_elsewhere() -> None:
    settings = IngestSettings(BucketLayout("b"), warehouse="w", service_credential="x")
    with pytest.raises(SettingsError, match="Databricks only"):
        build_dependencies(settings)


def test_tables_are_read_from_a_folder_or_through_a_sql_warehouse() -> None:
    assert isinstance(build_engine(IngestSettings(BucketLayout("b"), warehouse="w"), "ignored"), DeltaFolder)
    catalog = IngestSettings(BucketLayout("b"), catalog="c", schema="s")
    assert isinstance(build_engine(catalog, "0123456789abcdef"), SqlWarehouse)
    with pytest.raises(SettingsError, match="--sql-warehouse"):
        build_engine(catalog, "")
