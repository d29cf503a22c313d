"""The servers of the stack as data: their commands, ports and environment variables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.folder import StackFolder
from infra.local.listening import HOST
from infra.local.services.ports import Ports
from infra.local.services.pubsub import CHANGES_TOPIC, OUTCOME_TOPIC, PROJECT, emulator_command

REPOSITORY = Path(__file__).resolve().parents[3]
BUCKET = "orders-data"
FIRST_INSTALL_SECONDS = 1800.0
"""The first time, the jobs server installs the wheel and PySpark (400 MB) into their own environment."""

# Set in a developer's shell, these would direct the function or the job to a real cloud or another Spark.
_FOREIGN = ("DATABRICKS_", "GOOGLE_", "CLOUDSDK_", "PUBSUB_", "STORAGE_EMULATOR", "SPARK_", "PYSPARK_", "FUNCTION_", "K_")
_FOREIGN_NAMES = {
    "PORT",
    "HOST",
    "DEBUG",
    "THREADS",
    "WORKERS",
    "GCLOUD_PROJECT",
    "GCP_PROJECT",
    "PYTHONPATH",
    "PYTHONHOME",
}


@dataclass(frozen=True)
class Settings:
    """The options of a stack. Seconds are wall-clock time.

    ``live``: a continuous run loads the files and publishes the changes of rows. ``changes``: each run publishes them,
    after it has loaded its files.
    """

    bucket: str = BUCKET
    window_seconds: int = 2
    sweep_every_seconds: float = 30.0
    sweep_grace_seconds: int = 30
    max_bad_row_ratio: float = 0.1
    live: bool = False
    changes: bool = False

    @property
    def publishes_changes(self) -> bool:
        return self.live or self.changes


@dataclass(frozen=True)
class Service:
    """One server. ``says_ready``: it prints a ready line; otherwise it is ready when its port accepts connections."""

    name: str
    command: tuple[str, ...]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    says_ready: bool = False
    ready_seconds: float = 60.0


def remove_cloud_settings(environment: MutableMapping[str, str]) -> None:
    """Remove variables that would direct the servers to anything but each other."""
    for name in [name for name in environment if name.startswith(_FOREIGN) or name in _FOREIGN_NAMES]:
        del environment[name]
    # A company's proxy must not be used for 127.0.0.1.
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, [environment.get(name, ""), HOST, "localhost"]))


def storage_service(folder: StackFolder, settings: Settings, ports: Ports, *, pubsub: bool) -> Service:
    command = [*_module("infra.local.storage"), f"--port={ports.storage}", f"--data-dir={folder.storage}"]
    command += [f"--bucket={settings.bucket}", f"--notify={_url(ports.function)}"]
    command += [f"--pubsub={HOST}:{ports.pubsub}"] if pubsub else []
    return Service("storage", tuple(command), ports.storage, says_ready=True)


def jobs_service(folder: StackFolder, settings: Settings, ports: Ports, java_home: Path, *, pubsub: bool) -> Service:
    command = [*_module("infra.local.jobs"), f"--port={ports.jobs}", f"--data-dir={folder.jobs}"]
    command += [
        f"--target={'local_live' if settings.live else 'local'}",
        f"--var=warehouse={folder.warehouse}",
        f"--var=checkpoint={folder.checkpoints}",
        f"--var=bucket={settings.bucket}",
        f"--var=outcome_topic={OUTCOME_TOPIC if pubsub else ''}",
        f"--var=changes_topic={CHANGES_TOPIC if pubsub and settings.publishes_changes else ''}",
        f"--var=max_bad_row_ratio={settings.max_bad_row_ratio!r}",
        f"--run-env=JAVA_HOME={java_home}",
    ]
    command += [f"--run-env={name}={value}" for name, value in _clients(ports, pubsub=pubsub).items()]
    return Service("jobs", tuple(command), ports.jobs, says_ready=True, ready_seconds=FIRST_INSTALL_SECONDS)


def pubsub_service(emulator: Path, java_home: Path, ports: Ports) -> Service:
    return Service("pubsub", emulator_command(emulator, java_home, ports.pubsub), ports.pubsub)


def function_services(
    settings: Settings, ports: Ports, job_id: int, continuous_job_id: int | None, *, pubsub: bool
) -> tuple[Service, Service]:
    """The upload function and the sweep: one source with two entry points, as in the deployment."""
    environment = _clients(ports, pubsub=pubsub) | {
        "SOURCE_BUCKET": settings.bucket,
        "SOURCE_PREFIX": "source/",
        "ARCHIVE_PREFIX": "archive/",
        "REJECTED_PREFIX": "rejected/",
        "DATABRICKS_JOB_ID": str(job_id),
        "LAUNCH": "never" if settings.live else "window",
        "CONTINUOUS_JOB_ID": str(continuous_job_id or ""),
        "OUTCOME_TOPIC": OUTCOME_TOPIC if pubsub else "",
        "LAUNCH_WINDOW_SECONDS": str(settings.window_seconds),
        "MAX_BAD_ROW_RATIO": repr(settings.max_bad_row_ratio),
        "SWEEP_GRACE_SECONDS": str(settings.sweep_grace_seconds),
        "DATABRICKS_HOST": _url(ports.jobs),
        "DATABRICKS_TOKEN": "local",
        "LOG_EXECUTION_ID": "true",
    }

    def function(name: str, target: str, port: int) -> Service:
        # The framework's default is to listen on all interfaces.
        command = [*_module("functions_framework"), f"--source={REPOSITORY / 'main.py'}", f"--target={target}"]
        command += ["--signature-type=cloudevent", f"--host={HOST}", f"--port={port}"]
        return Service(name, tuple(command), port, environment)

    return (
        function("function", "on_object_finalized", ports.function),
        function("sweep", "on_sweep", ports.sweep),
    )


def console_service(folder: StackFolder, settings: Settings, ports: Ports, job_id: int) -> Service:
    command = [*_module("infra.local.console"), f"--port={ports.console}", f"--bucket={settings.bucket}"]
    command += [f"--storage={_url(ports.storage)}", f"--jobs={_url(ports.jobs)}", f"--job-id={job_id}"]
    command += [f"--warehouse={folder.warehouse}", f"--max-bad-row-ratio={settings.max_bad_row_ratio!r}"]
    return Service("console", tuple(command), ports.console, _clients(ports, pubsub=False), says_ready=True)


def _clients(ports: Ports, *, pubsub: bool) -> dict[str, str]:
    """Variables that direct Google's clients to the local servers."""
    clients = {"STORAGE_EMULATOR_HOST": _url(ports.storage), "GOOGLE_CLOUD_PROJECT": PROJECT}
    return clients | ({"PUBSUB_EMULATOR_HOST": f"{HOST}:{ports.pubsub}"} if pubsub else {})


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"
