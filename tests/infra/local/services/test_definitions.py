"""The servers get each other's addresses and nothing of the developer's own cloud settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.config import Config
from infra.local.folder import StackFolder
from infra.local.jobs.bundle import load_bundle
from infra.local.jobs.environment import DEFAULT_BUNDLE
from infra.local.jobs.job_settings import Job
from infra.local.services.definitions import (
    Settings,
    function_services,
    jobs_service,
    remove_cloud_settings,
    storage_service,
)
from infra.local.services.ports import Ports

PORTS = Ports(storage=1, jobs=2, function=3, sweep=4, pubsub=5, console=6)


FOLDER = StackFolder(Path("/data"))


def test_a_developers_own_cloud_settings_are_removed() -> None:
    environment = {
        "DATABRICKS_CONFIG_PROFILE": "production",
        "GOOGLE_APPLICATION_CREDENTIALS": "/key.json",
        "PUBSUB_EMULATOR_HOST": "elsewhere",
        "SPARK_HOME": "/opt/spark",
        "PORT": "8080",
        "HOME": "/root",
        "NO_PROXY": "intranet",
    }

    remove_cloud_settings(environment)

    assert environment == {
        "HOME": "/root",
        "NO_PROXY": "intranet,127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def test_the_function_accepts_the_settings_that_it_gets() -> None:
    for pubsub in (True, False):
        upload, sweep = function_services(Settings(max_bad_row_ratio=0.25), PORTS, 42, None, pubsub=pubsub)
        config = Config.read(upload.environment)

        assert config == Config.read(sweep.environment)
        assert (config.job_id, config.max_bad_row_ratio, config.source_bucket) == (42, 0.25, "orders-data")
        assert bool(config.outcome_topic) == pubsub == ("PUBSUB_EMULATOR_HOST" in upload.environment)
        assert config.launch == "window"


def test_in_live_mode_the_function_starts_no_runs_and_the_jobs_server_has_a_continuous_job() -> None:
    for service in function_services(Settings(live=True), PORTS, 42, 43, pubsub=True):
        config = Config.read(service.environment)
        assert (config.launch, config.job_id, config.continuous_job_id) == ("never", 42, 43)
    assert bundle_job("order_tracking_live", Settings(live=True)).continuous


@pytest.mark.parametrize("pubsub", [True, False])
@pytest.mark.parametrize("settings", [Settings(), Settings(changes=True), Settings(live=True)])
def test_changes_are_published_in_live_mode_or_if_wanted_and_where_there_is_pubsub(
    settings: Settings, pubsub: bool
) -> None:
    """Otherwise each run would pay for a second Spark session, which takes longer than a small load."""
    job = bundle_job("order_tracking_ingest", settings, pubsub=pubsub)
    assert bool(job.parameters["changes_topic"]) == (pubsub and settings != Settings())
    assert job.parameters["checkpoint"] == "/data/checkpoints"


def bundle_job(key: str, settings: Settings, *, pubsub: bool = True) -> Job:
    """As the jobs server reads it, with the options that it gets."""
    command = jobs_service(FOLDER, settings, PORTS, Path("/jdk"), pubsub=pubsub).command
    (target,) = (word.removeprefix("--target=") for word in command if word.startswith("--target="))
    variables = dict(word.removeprefix("--var=").split("=", 1) for word in command if word.startswith("--var="))
    return next(job for job in load_bundle(DEFAULT_BUNDLE, target, variables).jobs if job.key == key)


def test_every_function_listens_only_on_this_machine() -> None:
    """The framework's own default is all interfaces."""
    for service in function_services(Settings(), PORTS, 1, None, pubsub=False):
        assert "--host=127.0.0.1" in service.command


def test_events_go_to_the_function_and_runs_find_storage_and_tables() -> None:
    storage = storage_service(FOLDER, Settings(), PORTS, pubsub=False)
    jobs = jobs_service(FOLDER, Settings(), PORTS, Path("/jdk"), pubsub=True)

    assert "--notify=http://127.0.0.1:3" in storage.command
    assert "--pubsub=127.0.0.1:5" in storage_service(FOLDER, Settings(), PORTS, pubsub=True).command
    assert not [word for word in storage.command if word.startswith("--pubsub")]
    for word in ("--var=warehouse=/data/warehouse", "--run-env=STORAGE_EMULATOR_HOST=http://127.0.0.1:1"):
        assert word in jobs.command
    assert "--run-env=JAVA_HOME=/jdk" in jobs.command
