"""Metrics count log lines, so rewording a line would silence a metric. These tests check that both match."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.exceptions import ServiceUnavailable

from functions import bootstrap, logs
from functions.handler import handle_upload
from functions.sweep import CHANGES_TASK, LOOK_BACK, UNBALANCED, sweep
from spark_jobs.cloud.ports import FailedRun, TransientError
from spark_jobs.contract.violations import RULES
from tests.fakes.dependencies import BAD_HEADER, GOOD, NAME, FakeDependencies
from tests.infra.gcp.provider_schemas import ROOT
from tests.infra.gcp.stand_ins import Applied
from tests.infra.gcp.terraform_files import instances, load, text
from tests.infra.gcp.test_installations import foundation, function

FUNCTION = load(ROOT / "infra/gcp/function")
METRICS = instances(FUNCTION, "google_logging_metric")
ALERTS = instances(FUNCTION, "google_monitoring_alert_policy")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The function's log output, in its own format."""
    stream = io.StringIO()
    bootstrap._prepare_logging()  # runs once per process; not again on the first request
    logs.configure_logging()
    loggers = [logging.getLogger(name) for name in ("functions", "spark_jobs")]
    (shown,) = loggers[0].handlers
    assert isinstance(shown, logging.StreamHandler)
    shown.setStream(stream)
    yield stream
    for logger in loggers:
        logger.handlers, logger.propagate = [], True


def matching(metric: str, entry: dict[str, object]) -> bool:
    """Evaluates our subset of the logging query language; Cloud Run fills in service and resource."""
    condition = text(METRICS[metric]["filter"]).removeprefix("${local.our_lines} AND ")
    if condition == "severity>=ERROR":
        return entry["severity"] in {"ERROR", "CRITICAL"}
    if found := re.fullmatch(r'jsonPayload\.message=~"(.*)"', condition):
        return bool(re.search(found[1], str(entry["message"])))
    found = re.fullmatch(r'jsonPayload\.message="(.*)"', condition)
    assert found, condition
    return entry["message"] == found[1]


def extracted(metric: str, label: str | None = None) -> str:
    expression = METRICS[metric]["label_extractors"][label] if label else METRICS[metric]["value_extractor"]
    found = re.fullmatch(r"EXTRACT\(jsonPayload\.(\w+)\)", text(expression))
    assert found
    return found[1]


def printed(lines: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_rejected_file_is_counted_by_its_violation_code(lines: io.StringIO) -> None:
    fake = FakeDependencies()
    handle_upload(fake.store.upload(NAME, BAD_HEADER).file, fake.deps)
    (entry,) = [entry for entry in printed(lines) if matching("rejected_files", entry)]
    assert entry[extracted("rejected_files", "code")] in RULES
    assert [label["key"] for label in METRICS["rejected_files"]["metric_descriptor"][0]["labels"]] == ['"code"']


def test_an_accepted_file_is_counted_as_a_launch_and_nothing_else(lines: io.StringIO) -> None:
    fake = FakeDependencies()
    handle_upload(fake.store.upload(NAME, GOOD).file, fake.deps)
    assert [metric for entry in printed(lines) for metric in METRICS if matching(metric, entry)] == ["launches"]


def test_a_sweep_is_counted_and_logs_the_age_of_the_oldest_file(lines: io.StringIO) -> None:
    fake = FakeDependencies()
    fake.store.upload(NAME, GOOD)
    fake.age(hours=2)
    sweep("tick", fake.deps)
    (entry,) = [entry for entry in printed(lines) if matching("oldest_in_source", entry)]
    assert matching("sweeps", entry)
    age = entry[extracted("oldest_in_source")]
    assert isinstance(age, int | float)
    assert 7200 <= age < 7300


@pytest.mark.parametrize(
    ("reason", "metric"),
    [
        ("SessionError: no catalog", "failed_runs"),
        (f"RunFailed: 2 {UNBALANCED}, among them x", "unbalanced_log"),
        ("PublishFailed: 503", "unpublished_changes"),
    ],
)
def test_a_failed_run_is_counted_once_and_is_not_a_function_error(lines: io.StringIO, reason: str, metric: str) -> None:
    fake = FakeDependencies()
    task = CHANGES_TASK if metric == "unpublished_changes" else "ingest"
    fake.job.failed.append(FailedRun(7, fake.clock(), reason, task))
    sweep("tick", fake.deps)
    (entry,) = [entry for entry in printed(lines) if entry["message"] != "swept"]
    assert [name for name in METRICS if matching(name, entry)] == [metric]
    assert entry["run_id"] == 7


def test_that_no_continuous_run_is_alive_is_an_alert_from_the_second_sweep_on(lines: io.StringIO) -> None:
    """Between two runs there is none for up to a minute."""
    sweep("tick", FakeDependencies.live(alive=False).deps)
    (entry,) = [entry for entry in printed(lines) if matching("no_continuous_run", entry)]
    assert entry["job_id"] == 88
    (condition,) = ALERTS["no_continuous_run"]["conditions"][0]["condition_threshold"]
    assert int(text(condition["threshold_value"])) == 1
    slowest_sweep = timedelta(minutes=20)  # the limit of sweep_schedule
    period = timedelta(seconds=int(text(condition["aggregations"][0]["alignment_period"]).removesuffix("s")))
    assert period > 2 * slowest_sweep


@pytest.mark.parametrize("alert", ["failed_runs", "unbalanced_log", "unpublished_changes"])
def test_a_run_reported_twice_is_one_incident(alert: str) -> None:
    """The incident stays open while a report is in the window, so the next report opens no new one."""
    (condition,) = ALERTS[alert]["conditions"][0]["condition_threshold"]
    period = text(condition["aggregations"][0]["alignment_period"])
    assert timedelta(seconds=int(period.removesuffix("s"))) > LOOK_BACK


def test_a_transient_error_is_counted_as_a_function_error(lines: io.StringIO) -> None:
    def fail() -> None:
        raise TransientError("Cloud Storage: 503")

    with pytest.raises(ServiceUnavailable):
        bootstrap._respond(fail)
    assert [entry["message"] for entry in printed(lines) if matching("function_errors", entry)] == ["Cloud Storage: 503"]


def test_every_alert_watches_an_existing_metric() -> None:
    reference = re.compile(r"google_logging_metric\.(?:counted_lines\[\W*)?(\w+)\W*\]?\.name")
    watched = {name for body in ALERTS.values() for name in reference.findall(str(body))}
    assert watched == set(METRICS) - {"launches"}, "that nothing was uploaded is no reason to wake anybody"


def test_every_alert_has_one_condition_and_closes_its_incidents() -> None:
    assert {name for kind, name in FUNCTION.resources if kind == "google_monitoring_alert_policy"} == {"alerts"}
    for name, body in ALERTS.items():
        (conditions,) = body["conditions"]
        assert len({"condition_threshold", "condition_absent"} & set(conditions)) == 1, name
        seconds = int(text(body["alert_strategy"][0]["auto_close"]).removesuffix("s"))
        assert 1800 <= seconds <= 7 * 24 * 3600, name  # Google accepts no other values
        # If there is no data, a threshold is not exceeded, but an absence persists.
        assert ("condition_absent" in conditions) == (seconds > 24 * 3600), name


def test_every_alert_says_what_to_do_and_notifies_the_channels() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    for name, body in ALERTS.items():
        assert body["notification_channels"] == "${local.channels}", name
        assert len(text(body["documentation"][0]["content"])) > 80, name
        assert text(body["display_name"]).removeprefix("${local.base.name}: ") in page, name


# --- the dashboard ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Applied:
    """Step 3, evaluated by Terraform itself: the dashboard is made with jsonencode."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    backend = tmp_path_factory.mktemp("evaluated")
    foundation(backend, "orders-staging")
    return function(backend, "orders-staging")


def tiles(evaluated: Applied) -> list[dict[str, Any]]:
    (body,) = evaluated.of("google_monitoring_dashboard").values()
    dashboard = json.loads(body["dashboard_json"])
    assert dashboard["displayName"] == "orders-staging"
    assert dashboard["mosaicLayout"]["columns"] == 12
    found: list[dict[str, Any]] = dashboard["mosaicLayout"]["tiles"]
    return found


def series(tile: dict[str, Any]) -> dict[str, Any]:
    (data,) = tile["widget"]["xyChart"]["dataSets"]
    found: dict[str, Any] = data["timeSeriesQuery"]["timeSeriesFilter"]
    return found


def test_the_dashboard_shows_events_launches_rejections_waiting_files_and_failures(evaluated: Applied) -> None:
    assert [tile["widget"]["title"].partition(":")[0].partition(",")[0] for tile in tiles(evaluated)] == [
        *(
            "Events",
            "Launches",
            "Rejected files",
            "Age of the oldest waiting file",
            "Failed runs",
            "Errors of the function",
        ),
    ]


def test_every_chart_shows_an_existing_metric_of_this_installation_and_a_label_that_it_has(evaluated: Applied) -> None:
    metrics = {body["name"]: body for body in evaluated.of("google_logging_metric").values()}
    shown = set()
    for tile in tiles(evaluated):
        parts = series(tile)
        kind = re.match(
            r'metric\.type = "(logging\.googleapis\.com/user/([^"]+)|run\.googleapis\.com/[^"]+)" AND ', parts["filter"]
        )
        assert kind, parts["filter"]
        assert 'resource.type = "cloud_run_revision"' in parts["filter"]
        if kind[2] is None:
            assert "orders-staging-(intake|sweep)" in parts["filter"]
            continue
        shown.add(kind[2])
        descriptor = metrics[kind[2]]["metric_descriptor"][0]
        labels = {f"metric.labels.{label['key']}" for label in descriptor.get("labels", [])}
        assert set(parts["aggregation"]["groupByFields"]) == labels
        # A distribution has percentiles, a count has a sum.
        percentile = parts["aggregation"]["perSeriesAligner"].startswith("ALIGN_PERCENTILE")
        assert percentile == (descriptor["value_type"] == "DISTRIBUTION")
    assert {f"orders-staging/{name}" for name in ("rejected-files", "oldest-in-source", "failed-runs", "launches")} <= shown


def test_no_chart_covers_another(evaluated: Applied) -> None:
    cells = [
        (x, y)
        for tile in tiles(evaluated)
        for x in range(tile["xPos"], tile["xPos"] + tile["width"])
        for y in range(tile["yPos"], tile["yPos"] + tile["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 12
