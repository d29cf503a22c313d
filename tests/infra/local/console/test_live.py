"""What the console shows live, from the bucket, the tables and the runs."""

from __future__ import annotations

from datetime import timedelta

from functions.handler import handle_upload
from infra.local.console.live import RECENT_FILES, gather
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.feeds import FEEDS
from tests.fakes.dependencies import BAD_HEADER, GOOD, NAME
from tests.infra.local.console.conftest import RunningConsole


def test_what_waits_what_was_rejected_and_what_was_merged(console: RunningConsole) -> None:
    fake, of = console.fake, console.sources
    rejected = fake.store.upload(NAME.replace("31", "30"), BAD_HEADER)
    handle_upload(rejected.file, fake.deps)
    accepted = fake.store.upload(NAME, GOOD)
    handle_upload(accepted.file, fake.deps)
    fake.age(minutes=3)
    new = fake.store.upload("source/order_tracking_2026_01_01.csv", GOOD)

    live = gather(fake.store, of.engine, of.runs, of.settings.layout, fake.clock())

    assert [(row.file, row.state) for row in live.waiting] == [
        (str(accepted.file), "accepted"),
        (str(new.file), "not validated yet"),
    ]
    assert live.now - live.waiting[0].since == timedelta(minutes=3)
    assert len(live.versions) == 2 * len(FEEDS)
    assert live.versions[0] is not None
    assert ["tracking_num" in one.reason or "column" in one.reason for one in live.rejected] == [True]
    assert 0 < len(live.recent) <= RECENT_FILES
    assert live.last_merge == max(entry.logged_at for entry in live.recent if entry.outcome == "merged")
    assert live.problems == []


def test_a_server_that_does_not_answer_is_named_and_the_rest_is_shown(console: RunningConsole) -> None:
    fake, of = console.fake, console.sources

    def down(method: str, _name: str) -> None:
        raise TransientError(f"{method}: connection refused")

    fake.store.before_call = down
    live = gather(fake.store, of.engine, of.runs, of.settings.layout, fake.clock())
    assert [problem.partition(":")[0] for problem in live.problems] == ["waiting files", "rejected files"]
    assert live.recent
