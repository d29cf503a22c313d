"""How the demo ended, read from where it counts: the ingest log, the target and the bucket."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.demo.days import Upload
from infra.local.demo.expected import Row, expected_target
from infra.local.demo.tables import read_table, target_rows
from infra.local.uploads import PREFIX, Uploaded

if TYPE_CHECKING:
    from google.cloud import storage

OVERWRITTEN = "overwritten"
SHOWN_DIFFERENCES = 5


@dataclass(frozen=True)
class Sent:
    """One upload as it was made; ``arrived`` is aware."""

    upload: Upload
    uploaded: Uploaded
    arrived: datetime


@dataclass(frozen=True)
class Ending:
    """What became of one upload. ``counts`` is its line of the ingest log, empty where it has none."""

    sent: Sent
    outcome: str
    where: str
    reason: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class KeyHistory:
    """``faults`` in words, empty where all is as it should be. ``matching`` of ``expected`` rows agree."""

    endings: Sequence[Ending]
    statuses: Mapping[str, int]
    expected: int
    matching: int
    bad_rows: int
    faults: Sequence[str]


def judge(sent: Sequence[Sent], client: storage.Client, bucket: str, warehouse: Path) -> KeyHistory:
    """Read everything and compare."""
    objects = {blob.name for blob in client.list_blobs(bucket)}
    log = {line["file_id"]: line for line in read_table(warehouse, "orders_ingest_log")}
    endings = [_ending(one, log, objects, client) for one in sent]
    rows = target_rows(warehouse)
    merged = [(e.sent.upload.content, e.sent.arrived) for e in endings if e.outcome == "merged"]
    expected = expected_target(merged)
    bad_rows = len(read_table(warehouse, "orders_rejected_rows", "file_id"))
    faults = [*_wrong_endings(endings, objects), *_uneven(endings, bad_rows), *_differences(rows, expected)]
    return KeyHistory(
        endings=endings,
        statuses=Counter(row[4] for row in rows),
        expected=len(expected),
        matching=sum(expected.get(row[1]) == row for row in rows),
        bad_rows=bad_rows,
        faults=faults,
    )


def _ending(sent: Sent, log: Mapping[str, Mapping[str, Any]], objects: set[str], client: storage.Client) -> Ending:
    uploaded = sent.uploaded
    line = log.get(uploaded.file_id, {})
    # The generation is part of every name that a file goes to.
    layout = sorted(name for name in objects if f".{uploaded.generation}" in name and not name.endswith(".report.json"))
    where = ", ".join(layout)
    if line:
        return Ending(sent, str(line["outcome"]), where, str(line["reason"] or ""), line)
    report = f"{where}.report.json"
    if report in objects:
        found = json.loads(client.bucket(uploaded.bucket).blob(report).download_as_bytes())
        return Ending(sent, "rejected", where, found["violations"][0]["message"])
    return Ending(sent, OVERWRITTEN if not where else "unknown", where)


def _wrong_endings(endings: Sequence[Ending], objects: set[str]) -> list[str]:
    faults = [f"{name} is still there" for name in sorted(objects) if name.startswith(PREFIX)]
    for ending in endings:
        wanted = ending.sent.upload.expected
        allowed = (wanted,) if wanted else ("merged", "superseded", OVERWRITTEN)
        name = ending.sent.uploaded.file_id
        if ending.outcome not in allowed:
            faults.append(f"{name} ended as {ending.outcome}, expected {' or '.join(allowed)}")
        folder = {"merged": "archive/", "rejected": "rejected/"}.get(ending.outcome, "")
        if wanted and not ending.where.startswith(folder):
            faults.append(f"{name} was {ending.outcome} but isn't in {folder}")
    return faults


def _uneven(endings: Sequence[Ending], bad_rows: int) -> list[str]:
    """Every row of a merged file must be accounted for."""
    faults = []
    merged = [e for e in endings if e.outcome == "merged"]
    for ending in merged:
        line = ending.counts
        parts = sum(line[name] for name in ("inserted", "updated", "outranked", "rejected_rows"))
        if line["rows"] != parts or line["balanced"] is False:
            faults.append(
                f"{ending.sent.uploaded.file_id}: the log's counts don't add up ({line['rows']} rows, {parts} told)"
            )
    logged = sum(e.counts["rejected_rows"] for e in merged)
    if logged != bad_rows:
        faults.append(f"{bad_rows} bad rows were set aside, the log says {logged}")
    return faults


def _differences(rows: Sequence[Row], expected: Mapping[str, Row]) -> list[str]:
    actual = {row[1]: row for row in rows}
    faults = [f"the target has {len(rows)} rows for {len(actual)} tracking numbers"] if len(rows) != len(actual) else []
    if not expected:
        faults.append("nothing was merged")
    wrong = sorted(key for key in expected.keys() | actual.keys() if expected.get(key) != actual.get(key))
    for key in wrong[:SHOWN_DIFFERENCES]:
        faults.append(f"{key}: expected {expected.get(key)}, the target has {actual.get(key)}")
    if len(wrong) > SHOWN_DIFFERENCES:
        faults.append(f"… and {len(wrong) - SHOWN_DIFFERENCES} more rows differ")
    return faults
