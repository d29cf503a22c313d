"""The real main.py in the real functions-framework, with requests as Eventarc sends them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import functions_framework
import pytest

from functions import bootstrap
from spark_jobs.cloud.ports import TransientError
from tests.events import binary, structured
from tests.fakes.dependencies import BUCKET, GOOD, NAME, FakeDependencies

MAIN = str(Path(__file__).parents[2] / "main.py")

ODD_NAMES = [
    "source/with space/order_tracking_2026_01_31.csv",
    "source/100%/order_tracking_2026_01_31.csv",
    "source/%2e%2e%2forder_tracking_2026_01_31.csv",
    "source/\"quoted\" 'name'.csv",
    "source/Straße/заказы/注文.csv",
    "source/new\nline\r\n.csv",
    "source/a#b?c=d&e.csv",
    "source/../../etc/passwd",
    "source/" + "é" * 508 + "x",  # 1,024 bytes
    "source/\u202egnp.exe\u0000.csv",
]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDependencies:
    fake = FakeDependencies()
    monkeypatch.setattr(bootstrap, "deps", lambda: fake.deps)
    return fake


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """Each test has its own stdout, but the function keeps the one from its first request."""
    bootstrap._prepare_logging.cache_clear()
    yield
    for package in ("functions", "spark_jobs"):
        logging.getLogger(package).handlers.clear()
        logging.getLogger(package).propagate = True


@pytest.fixture(scope="module")
def upload() -> Iterator[Any]:
    yield functions_framework.create_app("on_object_finalized", MAIN, "cloudevent").test_client()


@pytest.fixture(scope="module")
def tick() -> Iterator[Any]:
    yield functions_framework.create_app("on_sweep", MAIN, "cloudevent").test_client()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("mode", [binary, structured])
def test_a_finalized_event_results_in_a_mark_and_a_run(fake: FakeDependencies, upload: Any, mode: Any) -> None:
    stored = fake.store.upload(NAME, GOOD)
    answer = upload.post("/", **mode(generation=str(stored.file.generation)))
    assert answer.status_code == 200
    assert len(fake.job.runs) == 1


@pytest.mark.parametrize("mode", [binary, structured])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_object_name_is_passed_through_unchanged_and_rejected_if_invalid(
    fake: FakeDependencies, upload: Any, mode: Any, name: str
) -> None:
    stored = fake.store.upload(name, GOOD)
    assert upload.post("/", **mode(name=name, generation=str(stored.file.generation))).status_code == 200
    if name.startswith("source/with space/"):
        assert len(fake.job.runs) == 1
        return
    (outcome,) = fake.announcer.outcomes
    assert outcome.file.name == name
    assert fake.store.names("source/") == []


def test_log_lines_have_severity_trace_and_file_and_an_object_name_cannot_forge_one(
    fake: FakeDependencies, upload: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    name = 'archive/x\n{"severity":"CRITICAL"}'
    fake.store.upload(name, GOOD)
    upload.post("/", **binary(name=name))
    (line,) = lines(capsys)
    assert line["severity"] == "INFO"
    assert line["file"] == f"{BUCKET}/{name}#1769925603096523"
    assert line["logging.googleapis.com/trace"].endswith("0af7651916cd43dd8448eb211c80319c")


@pytest.mark.parametrize(
    "request_",
    [
        binary(headers={"ce-type": "google.cloud.storage.object.v1.deleted"}),
        binary(generation=None),
        binary(generation="-1"),
        binary(bucket=None),
        binary(name=7),
        binary(name="source/\ud800.csv", headers={"ce-subject": "objects/x"}),
        structured(name="source/\udfff/order_tracking_2026_01_31.csv"),
        {**binary(), "data": b"{not json"},
        {**binary(), "data": b"[]"},
        {**binary(), "data": b""},
        binary("tick"),
    ],
)
def test_an_irrelevant_event_is_logged_and_acknowledged(
    fake: FakeDependencies, upload: Any, capsys: pytest.CaptureFixture[str], request_: dict[str, Any]
) -> None:
    assert upload.post("/", **request_).status_code == 200
    (line,) = lines(capsys)
    assert line["severity"] == "WARNING"
    assert "acknowledged without action" in line["message"]
    assert fake.store.calls == []


def test_an_event_of_another_bucket_is_acknowledged_with_a_log_line_and_touches_nothing(
    fake: FakeDependencies, upload: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.store.upload(NAME, GOOD, bucket="another-bucket")
    assert upload.post("/", **binary(bucket="another-bucket")).status_code == 200
    (line,) = lines(capsys)
    assert (line["severity"], line["message"]) == ("WARNING", "ignored: other_bucket")
    assert line["file"].startswith("another-bucket/")
    assert fake.store.calls == []
    assert fake.job.runs == {}


def test_a_transient_error_is_a_503_so_that_eventarc_retries(
    fake: FakeDependencies, upload: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def before_call(_method: str, _name: str) -> None:
        raise TransientError("Cloud Storage: ServiceUnavailable: 503 down")

    fake.store.before_call = before_call
    assert upload.post("/", **binary()).status_code == 503
    captured = capsys.readouterr()
    assert "503 down" in captured.out
    assert "Traceback" not in captured.out + captured.err


def test_a_missing_setting_is_a_503_with_one_sentence_in_the_log(
    upload: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABRICKS_JOB_ID", raising=False)
    bootstrap.deps.cache_clear()
    assert upload.post("/", **binary()).status_code == 503
    captured = capsys.readouterr()
    (line,) = [json.loads(line) for line in captured.out.splitlines()]
    assert line["severity"] == "ERROR"
    assert line["message"].startswith("The setting DATABRICKS_JOB_ID is missing; ")
    assert "Traceback" not in captured.out + captured.err


def test_a_tick_of_the_scheduler_runs_the_sweep(fake: FakeDependencies, tick: Any) -> None:
    fake.store.upload(NAME, GOOD)
    fake.age(seconds=601)
    assert tick.post("/", **binary("tick")).status_code == 200
    assert tick.post("/", **structured("tick")).status_code == 200
    assert len(fake.job.runs) == 1


def test_importing_main_loads_no_sdk_opens_no_connection_and_reads_no_environment() -> None:
    """Also with pyspark made unimportable: import-linter once missed an import in spark_jobs/__init__.py."""
    program = """
import sys, os, socket
import functions_framework
class Watched(dict):
    def _no(self, *a, **k): raise AssertionError(f"environment read: {a}")
    __getitem__ = get = __contains__ = _no
def no_socket(*a, **k): raise AssertionError("socket opened")
class Unimportable:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("pyspark", "delta", "databricks", "google.cloud.storage", "google.cloud.pubsub")):
            raise AssertionError(f"{name} imported")
os.environ, socket.socket = Watched(), no_socket
sys.meta_path.insert(0, Unimportable())
import main
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(MAIN).parent, timeout=60)
