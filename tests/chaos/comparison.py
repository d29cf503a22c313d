"""What must hold when a story has come to rest: pure, from what was sent and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests import oracle

MAX_BAD_ROW_RATIO = 0.1
COUNTS = ("rows", "inserted", "updated", "outranked", "rejected_rows")


@dataclass
class SentFile:
    """``taken_back``: the sender overwrote or deleted it before it was moved."""

    content: bytes
    arrival: datetime
    taken_back: bool = False

    @property
    def read(self) -> list[tuple[int, oracle.Row | None]] | None:
        return oracle.read_file(self.content, self.arrival)

    @property
    def bad_rows(self) -> list[int]:
        return [number for number, row in self.read or [] if row is None]


@dataclass(frozen=True)
class HandChange:
    """A change by hand left a key with ``row`` (None: without one). ``done``: files that no later run can merge again.
    ``sent``: all files sent until then. ``beside_run``: a run was in progress."""

    key: str
    row: oracle.Row | None
    done: frozenset[str]
    sent: frozenset[str]
    beside_run: bool


@dataclass
class Sent:
    """``vacuumed``: old versions of the stage were removed."""

    bad_names: frozenset[str] = frozenset()
    files: dict[str, SentFile] = field(default_factory=dict)
    by_hand: list[HandChange] = field(default_factory=list)
    vacuumed: bool = False

    def is_good(self, file: str) -> bool:
        name = file.rpartition("#")[0].partition("/")[2]
        sent = self.files[file]
        read = sent.read
        return name not in self.bad_names and read is not None and len(sent.bad_rows) <= MAX_BAD_ROW_RATIO * len(read)


@dataclass
class Found:
    """Rows of the tables, the objects by name, the messages, and from the target's change feed (file id, row number,
    whether it was an insert) for each row that a file brought."""

    target: list[oracle.Row]
    log: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    rejected_rows: list[dict[str, Any]]
    changes: list[tuple[str, int, bool]]
    messages: list[dict[str, Any]]
    objects: Mapping[str, bytes]

    @property
    def lines(self) -> dict[str, dict[str, Any]]:
        return {line["file_id"]: line for line in self.log}

    def places(self, file: str) -> list[str]:
        generation = file.rpartition("#")[2]
        return [name for name in self.objects if f".{generation}" in name]


def findings(sent: Sent, found: Found) -> list[str]:
    """Everything that is wrong, as sentences; empty where every promise was kept."""
    checks = (_target, _one_line_each, _outcomes, _counts, _changes, _rejected_rows, _messages, _objects)
    return [finding for check in checks for finding in check(sent, found)]


def _rows_of(sent: Sent, files: Sequence[str]) -> list[oracle.Row]:
    return [row for file in files for _, row in sent.files[file].read or [] if row is not None]


def _target(sent: Sent, found: Found) -> Iterator[str]:
    merged = [file for file, line in found.lines.items() if line["outcome"] == "merged" and file in sent.files]
    expected = oracle.newest(_rows_of(sent, merged))
    rows = {row["tracking_num"]: row for row in found.target}
    if twice := [key for key, times in Counter(row["tracking_num"] for row in found.target).items() if times > 1]:
        yield f"the target has {twice} more than once"
    last_change = {change.key: change for change in sent.by_hand}
    for key in sorted({*expected, *rows, *last_change}):
        row = rows.get(key)
        if change := last_change.get(key):
            if problem := _after_hand_change(sent, merged, change, row):
                yield problem
        elif row != expected.get(key):
            yield f"the target has for {key}: {row}; the oracle: {expected.get(key)}"


def _after_hand_change(sent: Sent, merged: list[str], change: HandChange, row: oracle.Row | None) -> str | None:
    """Files that were done before the change must not bring a row back; files sent after it count; others may."""
    later = _rows_of(sent, [file for file in merged if file not in change.sent])
    perhaps = _rows_of(sent, [file for file in merged if file in change.sent - change.done])
    base = [change.row] if change.row else []
    least = oracle.newest(each for each in [*base, *later] if each["tracking_num"] == change.key).get(change.key)
    if row == least:
        return None
    if row in perhaps and (least is None or oracle.newest([least, row])[change.key] == row):
        return None
    return f"{change.key} was changed by hand to {change.row}; the target has {row}, but should have {least}"


def _one_line_each(sent: Sent, found: Found) -> Iterator[str]:
    for file, lines in Counter(line["file_id"] for line in found.log).items():
        if lines != 1:
            yield f"{file} has {lines} lines in the log"
        if file not in sent.files:
            yield f"{file} is in the log and was never sent"
    for file in sorted({row["file_id"] for row in found.attempts} - set(found.lines)):
        yield f"{file} was taken and has no line in the log"


def _outcomes(sent: Sent, found: Found) -> Iterator[str]:
    rejected = {message["file"] for message in found.messages if message["outcome"] == "rejected"}
    for file, file_sent in sent.files.items():
        outcome = found.lines[file]["outcome"] if file in found.lines else "rejected" if file in rejected else None
        good = sent.is_good(file)
        if file_sent.content and not file_sent.taken_back and outcome is None:
            yield f"{file} has no outcome"
        if outcome == "rejected" and good:
            yield f"{file} is good and was rejected"
        if outcome == "merged" and not good:
            yield f"{file} is bad and was merged"
        if outcome == "superseded" and not file_sent.taken_back:
            yield f"{file} is superseded, but its sender never touched it again"
        if not file_sent.content and outcome:
            yield f"{file} is empty and was {outcome}"


def _counts(sent: Sent, found: Found) -> Iterator[str]:
    for file, line in found.lines.items():
        if line["outcome"] != "merged" or file not in sent.files:
            continue
        counts = [line[name] for name in COUNTS]
        if None in counts:
            if not (sent.vacuumed and line["note"]):
                yield f"{file} has unknown counts: {line}"
            continue
        if line["balanced"] is not True or counts[0] != sum(counts[1:]):
            yield f"{file} does not balance: {line}"
        read = sent.files[file].read or []
        if (line["rows"], line["rejected_rows"]) != (len(read), len(sent.files[file].bad_rows)):
            yield f"{file} has {len(read)} rows, {len(sent.files[file].bad_rows)} of them bad; the log: {line}"


def _changes(sent: Sent, found: Found) -> Iterator[str]:
    inserted = Counter(file for file, _, insert in found.changes if insert)
    updated = Counter(file for file, _, insert in found.changes if not insert)
    # Rows deleted by hand while a run is in progress may be merged again after their file's line was written.
    disturbed = {file for change in sent.by_hand if change.beside_run for file in change.sent - change.done}
    for file in sorted({*inserted, *updated, *found.lines} - disturbed):
        line = found.lines.get(file, {"outcome": None})
        changes = (inserted[file], updated[file])
        if line["outcome"] != "merged":
            if changes != (0, 0):
                yield f"{file} brought {changes} rows into the target, but its line has {line['outcome']}"
        elif None not in (line["inserted"], line["updated"]) and changes != (line["inserted"], line["updated"]):
            yield f"{file} inserted and updated {changes} rows by the change feed; the log: {line}"


def _rejected_rows(sent: Sent, found: Found) -> Iterator[str]:
    recorded = Counter((row["file_id"], row["row_number"]) for row in found.rejected_rows)
    if twice := [key for key, times in recorded.items() if times > 1]:
        yield f"rejected rows recorded more than once: {twice}"
    for file, line in found.lines.items():
        if file not in sent.files or (line["outcome"] == "merged" and line["rejected_rows"] is None):
            continue
        numbers = {number for of, number in recorded if of == file}
        bad = set(sent.files[file].bad_rows)
        if numbers != bad if line["outcome"] == "merged" else not numbers <= bad:
            yield f"{file} ({line['outcome']}) has the bad rows {sorted(bad)}; recorded: {sorted(numbers)}"


def _messages(sent: Sent, found: Found) -> Iterator[str]:
    announced: dict[str, list[tuple[Any, ...]]] = {}
    for message in found.messages:
        announced.setdefault(message["file"], []).append(tuple(message[name] for name in ("outcome", *COUNTS)))
    for file, line in found.lines.items():
        if tuple(line[name] for name in ("outcome", *COUNTS)) not in announced.get(file, []):
            yield f"the line of {file} was never announced as it is: {line}; announced: {announced.get(file)}"


def _objects(sent: Sent, found: Found) -> Iterator[str]:
    rejected = {message["file"] for message in found.messages if message["outcome"] == "rejected"}
    for name, content in found.objects.items():
        if name.startswith("source/") and content:
            yield f"{name} is still there"
    for file, file_sent in sent.files.items():
        outcome = found.lines[file]["outcome"] if file in found.lines else "rejected" if file in rejected else None
        places = [name for name in found.places(file) if not name.endswith(".report.json")]
        folder = {"merged": "archive/", "rejected": "rejected/"}.get(str(outcome))
        if folder and not file_sent.taken_back and not (len(places) == 1 and places[0].startswith(folder)):
            yield f"{file} is {outcome} and is at {places}"
        if any(found.objects[name] != file_sent.content for name in places):
            yield f"{places} has other bytes than {file}"
        if outcome == "rejected" and not any(name.endswith(".report.json") for name in found.places(file)):
            yield f"{file} was rejected without a report"
