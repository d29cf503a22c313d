"""One file with its times, its report and what happened to its rows."""

from __future__ import annotations

import pytest

from functions.handler import handle_upload
from infra.local.console.histories import shown_file
from spark_jobs.settings import SettingsError
from tests.fakes.dependencies import BAD_HEADER, GOOD, NAME
from tests.infra.local.console.conftest import HOSTILE, RunningConsole


def test_an_accepted_file_was_seen_and_validated(console: RunningConsole) -> None:
    fake, of = console.fake, console.sources
    stored = fake.store.upload(NAME, GOOD)
    fake.age(seconds=5)
    handle_upload(stored.file, fake.deps)
    shown = shown_file(fake.store, of.engine, of.settings, NAME, key="T1", ties=True)
    (one,) = shown.generations
    seen, validated = one.events
    assert (seen.what, validated.what) == ("seen", "validated")
    assert (validated.at - seen.at).total_seconds() == 5
    assert one.history.state == "waiting: accepted"
    assert "is newer than row 1 of" in shown.sentences[0]
    assert "has not reached the target" in shown.sentences[0]
    assert shown.ties == []


def test_a_rejected_file_has_its_report(console: RunningConsole) -> None:
    fake, of = console.fake, console.sources
    stored = fake.store.upload(NAME, BAD_HEADER)
    handle_upload(stored.file, fake.deps)
    (one,) = shown_file(fake.store, of.engine, of.settings, NAME).generations
    assert [event.what for event in one.events] == ["seen", "moved to rejected"]
    assert one.report["violations"][0]["code"] == "missing_column"


def test_a_file_whose_name_is_of_no_feed_has_a_report_only(console: RunningConsole) -> None:
    fake, of = console.fake, console.sources
    stored = fake.store.upload(HOSTILE, GOOD)
    handle_upload(stored.file, fake.deps)
    (rejected,) = [name for name in fake.store.names("rejected/") if not name.endswith(".report.json")]
    shown = shown_file(fake.store, of.engine, of.settings, rejected)
    assert (shown.generations, shown.report["violations"][0]["code"]) == ([], "file_name")


def test_a_file_that_is_nowhere_is_named(console: RunningConsole) -> None:
    of = console.sources
    with pytest.raises(SettingsError, match="is not in bucket"):
        shown_file(of.store, of.engine, of.settings, "nothing.csv")
