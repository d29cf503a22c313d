"""Settings of a run, and the names that they give to tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spark_jobs.cli import RunFailed, run
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError, parse_not_before, parse_ratio
from spark_jobs.store.tables import Tables


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["order-tracking", *arguments])
    run()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--warehouse=w"], "--bucket is missing"),
        (["--bucket=b"], "--catalog and --schema"),
        (["--bucket=b", "--catalog=c", "--schema=s", "--warehouse=w"], "one or the other"),
        (["--bucket=b", "--warehouse=w", "--contract-version=99"], "contract version 1, the function sent '99'"),
        (["--bucket=b", "--warehouse=w", "--max-bad-row-ratio=many"], "--max-bad-row-ratio must be a number"),
        (["--bucket=b", "--warehouse=w", "--not-before=soon"], "--not-before must be a moment"),
        (["--bucket=b", "--wharehouse=w"], "--wharehouse"),
    ],
)
def test_a_wrong_setting_raises_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    with pytest.raises(RunFailed) as failed:
        call(monkeypatch, "ingest", *arguments)
    assert sentence in str(failed.value)
    assert "\n" not in str(failed.value)


def test_a_credential_of_databricks_is_refused_elsewhere_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFailed, match="Databricks only"):
        call(monkeypatch, "ingest", "--bucket=b", "--warehouse=w", "--service-credential=x")


def test_a_share_of_bad_rows_above_one_makes_no_sense() -> None:
    with pytest.raises(SettingsError, match="from 0 to 1"):
        parse_ratio("1.5")


def test_help_returns_and_does_not_exit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    call(monkeypatch, "ingest", "--help")
    assert "--not-before" in capsys.readouterr().out


def test_empty_texts_mean_not_set() -> None:
    assert parse_ratio("") == 0.1
    assert parse_not_before("") is None
    assert parse_not_before("2026-01-31T10:00:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)


def test_table_names_are_quoted_whatever_they_hold() -> None:
    settings = IngestSettings(BucketLayout("b"), catalog="a`b", schema="s; DROP")
    assert Tables.of(settings).target == "`a``b`.`s; DROP`.`orders_target`"
    assert Tables.of(IngestSettings(BucketLayout("b"), warehouse="/w`x/")).stage == "delta.`/w``x/orders_stage`"


def test_a_bucket_is_required() -> None:
    with pytest.raises(SettingsError):
        IngestSettings(BucketLayout(""), warehouse="w")
