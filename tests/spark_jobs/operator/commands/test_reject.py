"""`reject` and `retry` on the command line, as far as they need no Spark; the rest is in operator/test_reject.py."""

from __future__ import annotations

import pytest

from spark_jobs import bootstrap
from spark_jobs.operator.waiting_file import Refused
from spark_jobs.settings import SettingsError
from tests.fakes.dependencies import GOOD, NAME
from tests.fakes.job import FakeJob
from tests.spark_jobs.operator.conftest import CommandLine, LiveBucket

TABLES = ("--warehouse", "nowhere")


@pytest.mark.parametrize("command", [("reject", "--reason", "x"), ("retry",)])
def test_a_file_that_is_not_waiting_is_refused_before_spark_starts(
    command_line: CommandLine, command: tuple[str, ...]
) -> None:
    with pytest.raises(Refused, match="is not in source/"):
        command_line(command[0], *TABLES, *command[1:], "order_tracking_2026_01_31.csv")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301, "two\nlines", "\x1b[31m"])
def test_a_reason_is_one_printable_line(bucket: LiveBucket, command_line: CommandLine, reason: str) -> None:
    bucket.fake.store.upload(NAME, GOOD)
    with pytest.raises(SettingsError, match="--reason must be one line"):
        command_line("reject", *TABLES, NAME, "--reason", reason)
    assert "--reason" in command_line("reject", *TABLES, NAME).stderr, "it is required"


def test_while_a_run_is_active_nothing_is_rejected(
    bucket: LiveBucket, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.fake.store.upload(NAME, GOOD)
    monkeypatch.setattr(bootstrap, "build_job", lambda job_id: FakeJob(active=True))
    with pytest.raises(Refused, match="job 7 has an active run"):
        command_line("reject", *TABLES, NAME, "--reason", "x", "--job-id", "7")
