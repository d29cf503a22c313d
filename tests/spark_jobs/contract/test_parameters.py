"""The parameters that the function passes to a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from spark_jobs.contract.parameters import RunParameters

NOON_IN_TOKYO = datetime(2026, 2, 1, 12, tzinfo=timezone(timedelta(hours=9)))


def test_job_parameters_are_strings_and_empty_means_not_set() -> None:
    sent = RunParameters("b", "source/", "archive/", "rejected/", "", 0.1, None).as_job_parameters()
    assert all(type(value) is str for value in sent.values())
    assert (sent["outcome_topic"], sent["not_before"]) == ("", "")
    assert float(sent["max_bad_row_ratio"]) == 0.1
    later = RunParameters("b", "s/", "a/", "r/", "t", 0.1, NOON_IN_TOKYO).as_job_parameters()
    assert datetime.fromisoformat(later["not_before"]) == NOON_IN_TOKYO.astimezone(UTC)
