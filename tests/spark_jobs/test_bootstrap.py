"""The wiring chooses adapters by the settings."""

from __future__ import annotations

import pytest

from spark_jobs.bootstrap import build_dependencies
from spark_jobs.cloud.pubsub import LogAnnouncer
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError


def test_without_a_topic_outcomes_are_only_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    settings = IngestSettings(BucketLayout("b"), warehouse="w")
    assert isinstance(build_dependencies(settings).announcer, LogAnnouncer)


def test_a_databricks_credential_is_refused_elsewhere() -> None:
    settings = IngestSettings(BucketLayout("b"), warehouse="w", service_credential="x")
    with pytest.raises(SettingsError, match="Databricks only"):
        build_dependencies(settings)
