"""The result of the demo for one feed, read from its ingest log, its target and the bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.demo.days import Upload
from infra.local.demo.expected import READINGS, Row
from infra.local.demo.tables import read_table
from infra.local.uploads import PREFIX, Uploaded
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import feed_of

if TYPE_CHECKING:
    from google.cloud import storage

OVERWRITTEN = "overwritten"
SHOWN_DIFFERENCES = 5


@dataclass(frozen=True)
class Result:
    """The result of one upload. ``counts`` is its row of the ingest log, empty if it has none."""

    upload: Upload
    file_id: str
    outcome: str
    where: str
    reason: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """``problems`` is empty if everything is correct. ``matching`` of ``expected`` rows agree."""

    feed: Feed
    results: Sequence[Result]
    rows: Sequence[Row]
    expected: int
    matching: int
    bad_rows: int
    problems: Sequence[str]


def check_outcomes(
    feed: Feed, sent: Sequence[tuple[Upload, Uploaded]], client: storage.Client, bucket: str, warehouse: Path
) -> Verdict:
    """Read all results of a feed and compare them with the expected ones. ``sent`` may have uploads of other feeds, too."""
    reading, prefix = READINGS[feed.name], feed.table_prefix
    objects = {blob.name for blob in client.list_blobs(bucket)}
    sent = [(upload, uploaded) for upload, uploaded in sent if feed_of(upload.name) is feed]
    log = {line["file_id"]: line for line in read_table(warehouse, f"{prefix}_ingest_log")}
    results = [_result(upload, uploaded, log, objects, client) for upload, uploaded in sent]
    rows = read_table(warehouse, f"{prefix}_target", ", ".join(reading.columns))
    merged = {result.file_id for result in results if result.outcome == "merged"}
    expected = reading.expected_target(
        (upload.content, uploaded.created) for upload, uploaded in sent if uploaded.file_id in merged
    )
    bad_rows = len(read_table(warehouse, f"{prefix}_rejected_rows", "file_id"))
    return Verdict(
        feed,
        results,
        rows,
        expected=len(expected),
        matching=sum(expected.get(row[reading.key]) == row for row in rows),
        bad_rows=bad_rows,
        problems=[
            *_wrong_outcomes(results, objects),
            *_unbalanced(results, bad_rows),
            *_differences({row[reading.key]: row for row in rows}, len(rows), expected),
        ],
    )


def _result(
    upload: Upload, uploaded: Uploaded, log: Mapping[str, Mapping[str, Any]], objects: set[str], client: storage.Client
) -> Result:
    file_id, line = uploaded.file_id, log.get(uploaded.file_id)
    # Names in archive/ and rejected/ contain the generation.
    places = sorted(name for name in objects if f".{uploaded.generation}" in name and not name.endswith(".report.json"))
    where = ", ".join(places)
    if line:
        return Result(upload, file_id, str(line["outcome"]), where, str(line["reason"] or ""), line)
    report = f"{where}.report.json"
    if report in objects:
        content = json.loads(client.bucket(uploaded.bucket).blob(report).download_as_bytes())
        return Result(upload, file_id, "rejected", where, content["violations"][0]["message"])
    return Result(upload, file_id, "unknown" if where else OVERWRITTEN, where)


def _wrong_outcomes(results: Sequence[Result], objects: set[str]) -> list[str]:
    problems = [f"{name} is still in the bucket" for name in sorted(objects) if name.startswith(PREFIX)]
    for result in results:
        wanted = result.upload.expected
        allowed = (wanted,) if wanted else ("merged", "superseded", OVERWRITTEN)
        if result.outcome not in allowed:
            problems.append(f"{result.file_id} was {result.outcome}, expected {' or '.join(allowed)}")
        folder = {"merged": "archive/", "rejected": "rejected/"}.get(result.outcome, "")
        if wanted and not result.where.startswith(folder):
            problems.append(f"{result.file_id} was {result.outcome} but is not in {folder}")
    return problems


def _unbalanced(results: Sequence[Result], bad_rows: int) -> list[str]:
    """The log must account for every row of a merged file."""
    problems, logged = [], 0
    for result in results:
        if result.outcome == "merged":
            line = result.counts
            parts = sum(line[name] for name in ("inserted", "updated", "outranked", "rejected_rows"))
            if line["rows"] != parts or line["balanced"] is False:
                problems.append(f"{result.file_id}: the log's counts don't balance ({line['rows']} rows, {parts} counted)")
            logged += line["rejected_rows"]
    if logged != bad_rows:
        problems.append(f"{bad_rows} bad rows are quarantined, but the log counts {logged}")
    return problems


def _differences(actual: Mapping[str, Row], rows: int, expected: Mapping[str, Row]) -> list[str]:
    problems = [f"the target has {rows} rows for {len(actual)} keys"] if rows != len(actual) else []
    if not expected:
        problems.append("nothing was merged")
    wrong = sorted(key for key in expected.keys() | actual.keys() if expected.get(key) != actual.get(key))
    for key in wrong[:SHOWN_DIFFERENCES]:
        problems.append(f"{key}: expected {expected.get(key)}, the target has {actual.get(key)}")
    if len(wrong) > SHOWN_DIFFERENCES:
        problems.append(f"… and {len(wrong) - SHOWN_DIFFERENCES} more rows differ")
    return problems
