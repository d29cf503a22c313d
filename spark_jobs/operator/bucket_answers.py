"""What the bucket answers better than the tables: which files wait, and which were rejected and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract.feed import Feed
from spark_jobs.operator.backlog import backlog, read_report, rejected_objects, state_of
from spark_jobs.operator.moved_files import feed_in
from spark_jobs.questions.answers import Answer
from spark_jobs.report.gather import FeedAnswers, Gathered
from spark_jobs.settings import BucketLayout

MAX_WAITING = 100
"""Files in the answer, as in the tables' own."""
REJECTED_DAYS = 30
MAX_REPORTS = 200
"""Each is one download."""
_UNREAD = f"not read: only the latest {MAX_REPORTS} reports are"
WAITING_SENTENCE = "Files in the source folder that are not done yet, the oldest first."
REJECTED_SENTENCE = (
    f"Files of the last {REJECTED_DAYS} days in the rejected folder, by the first violation in their reports, with the "
    "latest of them as an example."
)


@dataclass(frozen=True)
class _Rejected:
    code: str
    reason: str
    at: datetime
    name: str


def with_bucket(gathered: Gathered, store: FileStore, layout: BucketLayout) -> Gathered:
    """The same with the answers ``waiting`` and ``rejected_files`` from the bucket, in the same columns.

    A file whose name no feed has belongs to the first of several feeds, so that it is somewhere.
    """
    waiting = backlog(store, layout)
    rejected = _rejected(store, layout, gathered.at - timedelta(days=REJECTED_DAYS))
    feeds = [one.feed for one in gathered.feeds]

    def of_feed(name: str, feed: Feed) -> bool:
        found = feed_in(name)
        return found is feed or (found is None and len(feeds) > 1 and feed is feeds[0])

    def answered(one: FeedAnswers) -> FeedAnswers:
        answers = []
        for answer in one.answers:
            if answer.question.name == "waiting":
                answers.append(_waiting(answer, [s for s in waiting if of_feed(s.file.name, one.feed)]))
            elif answer.question.name == "rejected_files":
                answers.append(_by_reason(answer, [r for r in rejected if of_feed(r.name, one.feed)]))
            else:
                answers.append(answer)
        return replace(one, answers=answers)

    return replace(gathered, feeds=[answered(one) for one in gathered.feeds])


def _waiting(tables: Answer, waiting: Sequence[StoredFile]) -> Answer:
    """The tables know how often a run has taken a file, and whether it is parked."""
    columns = list(tables.question.columns)
    known = {row[columns.index("file")]: dict(zip(columns, row, strict=True)) for row in tables.rows}
    found = []
    for stored in waiting[:MAX_WAITING]:
        state: str = state_of(stored)
        taken = known.get(str(stored.file), {})
        values = {
            "file": str(stored.file),
            "since": stored.created,
            "state": taken.get("state", state) if state == "accepted" else state,
            "attempts": taken.get("attempts", 0),
            "total": len(waiting),
        }
        found.append(_row(tables, values))
    return Answer(replace(tables.question, sentence=WAITING_SENTENCE), found)


def _rejected(store: FileStore, layout: BucketLayout, since: datetime) -> list[_Rejected]:
    objects = rejected_objects(store, layout, since)
    return [_explained(store, stored, place < MAX_REPORTS) for place, stored in enumerate(objects)]


def _explained(store: FileStore, stored: StoredFile, read: bool) -> _Rejected:
    first: dict[str, Any] = next(_violations(read_report(store, stored)), {}) if read else {"message": _UNREAD}
    reason = str(first.get("message") or "its report is missing or unreadable")
    return _Rejected(str(first.get("code") or reason), reason, stored.created, stored.file.name)


def _violations(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    listed = report.get("violations")
    yield from (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()


def _by_reason(tables: Answer, rejected: Sequence[_Rejected]) -> Answer:
    groups: dict[str, list[_Rejected]] = {}
    for one in rejected:
        groups.setdefault(one.code, []).append(one)
    rows = [
        _row(tables, {"reason": of[0].reason, "files": len(of), "latest": of[0].at, "file": of[0].name})
        for of in sorted(groups.values(), key=len, reverse=True)
    ]
    return Answer(replace(tables.question, sentence=REJECTED_SENTENCE), rows)


def _row(answer: Answer, values: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(values[column] for column in answer.question.columns)
