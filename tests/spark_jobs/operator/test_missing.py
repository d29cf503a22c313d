"""What an answer lacks is one sentence that says what, why and what to do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spark_jobs.cloud.ports import AccessRefused, FileRefused, NoLogin, TransientError
from spark_jobs.operator.missing import failed_runs_of, without_bucket, without_job
from tests.fakes.job import FakeJob

AT = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            NoLogin("Cloud Storage: DefaultCredentialsError: Your default credentials were not found."),
            "this machine has no valid Google login: run `gcloud auth application-default login`",
        ),
        (
            AccessRefused("Cloud Storage: Forbidden: 403"),
            "the Google login may not read bucket b: ask for the role roles/storage.objectViewer, or run "
            "`gcloud auth application-default login` as someone who has it",
        ),
        (
            TransientError("Cloud Storage: RetryError:\n timeout"),
            "bucket b can't be read (Cloud Storage: RetryError: timeout): check its name and the network",
        ),
        (FileRefused("no name"), "bucket b can't be read (no name): check its name and the network"),
    ],
)
def test_a_missing_bucket_is_one_sentence(error: TransientError | FileRefused, sentence: str) -> None:
    assert without_bucket("waiting files", "b", error) == f"missing: waiting files, because {sentence}"


def test_long_errors_are_shortened() -> None:
    assert len(without_job("the runs", TransientError("x" * 5000))) < 400


def test_runs_that_cannot_be_read_are_mentioned_once_and_hide_nothing_else() -> None:
    missing: list[str] = []
    failed_runs = failed_runs_of(FakeJob(error="Databricks job 1: no login"), missing)
    assert failed_runs is not None
    assert [failed_runs(AT), failed_runs(AT)] == [[], []]
    assert missing == [
        "missing: the last errors of parked files, because the job's runs can't be read (Databricks job 1: no login): "
        "check --job-id, or run `databricks auth login`"
    ]
    assert failed_runs_of(None, missing) is None
