"""What waits and what was rejected, from a bucket, in the columns of the tables' answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spark_jobs.operator import bucket_answers
from spark_jobs.operator.bucket_answers import with_bucket
from spark_jobs.questions.answers import Answer
from spark_jobs.report.gather import Gathered
from spark_jobs.settings import BucketLayout
from tests.fakes.dependencies import BUCKET, GOOD, NAME, FakeDependencies
from tests.spark_jobs.operator.conftest import LiveBucket
from tests.spark_jobs.report.made_up import gathered

LAYOUT = BucketLayout(BUCKET)


def read(fake: FakeDependencies, tables: Gathered | None = None) -> Gathered:
    return with_bucket(tables or replace(gathered(0), at=fake.clock()), fake.store, LAYOUT)


def rows(found: Gathered, question: str) -> list[list[dict[str, Any]]]:
    """Per feed."""
    return [
        [dict(zip(answer.question.columns, row, strict=True)) for row in answer.rows]
        for answer in found
        if answer.question.name == question
    ]


def test_waiting_files_have_their_state_and_what_the_tables_know(bucket: LiveBucket) -> None:
    fake = bucket.fake
    accepted = fake.store.upload(NAME, GOOD)
    bucket.validate(accepted.file)()
    fake.clock.advance(60)
    raw = fake.store.upload("source/customer_orders_2026_01_31.csv", b"order_id\n")
    odd = fake.store.upload("source/<img src=x>.csv", b"x")
    tables = replace(gathered(0), at=fake.clock())
    first = tables.feeds[0]
    known = (str(accepted.file), accepted.created, "parked", 3, 1)
    answers = [Answer(one.question, [known]) if one.question.name == "waiting" else one for one in first.answers]

    tracking, customers = rows(
        read(fake, replace(tables, feeds=[replace(first, answers=answers), *tables.feeds[1:]])), "waiting"
    )

    assert [(one["file"], one["state"], one["attempts"], one["total"]) for one in tracking] == [
        (str(accepted.file), "parked", 3, 2),
        (str(odd.file), "not validated yet", 0, 2),
    ], "a name of no feed is shown with the first one"
    assert tracking[0]["since"] == accepted.created
    assert [(one["file"], one["state"], one["total"]) for one in customers] == [(str(raw.file), "not validated yet", 1)]


def test_rejected_files_are_counted_by_their_first_violation(bucket: LiveBucket) -> None:
    bucket.rejected_file()
    bucket.fake.clock.advance(60)
    latest = bucket.rejected_file()
    bucket.fake.store.upload("rejected/order_tracking_2026_01_30.csv.7", b"x")

    tracking, customers = rows(read(bucket.fake), "rejected_files")

    assert [one["files"] for one in tracking] == [2, 1]
    assert tracking[0]["reason"].startswith("the header has no column")
    assert str(latest.generation) in tracking[0]["file"]
    assert tracking[1]["reason"] == "its report is missing or unreadable"
    assert customers == []


def test_files_that_were_rejected_long_ago_are_left_out(bucket: LiveBucket) -> None:
    bucket.rejected_file()
    bucket.fake.clock.advance(31 * 86400)

    assert rows(read(bucket.fake), "rejected_files") == [[], []]


def test_only_the_latest_reports_are_read(bucket: LiveBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_answers, "MAX_REPORTS", 1)
    for _ in range(3):
        bucket.rejected_file()
        bucket.fake.clock.advance(60)

    tracking, _ = rows(read(bucket.fake), "rejected_files")

    assert [one["files"] for one in tracking] == [2, 1]
    assert tracking[0]["reason"].startswith("not read")
