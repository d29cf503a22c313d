"""A short story with a fixed seed, and the comparison itself: it must notice every planted fault."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import oracle
from tests.chaos.__main__ import live, shrink
from tests.chaos.comparison import Found, HandChange, Sent, SentFile, findings
from tests.chaos.environment import Stage
from tests.chaos.story import ArmFaults, Run, Upload, content_of, make_story
from tests.spark_jobs.harness import csv, row

SHORT_SEED, SHORT_STEPS = 74683, 12
"""A run is killed after its merge and its file overwritten; another one is suspended within the commit to the target while
files are overwritten and storage refuses; a last one runs beside the story. Rows are changed by hand in between."""
ARRIVAL = datetime(2026, 2, 1, tzinfo=UTC)
OLD, NEW, BAD = "b/source/order_tracking_2026_01_01.csv#1", "b/source/order_tracking_2026_01_01.csv#2", "b/source/x.csv#3"


@pytest.mark.e2e
def test_a_short_story_keeps_every_promise(tmp_path: Path) -> None:
    """If this fails, `make chaos SEED=… STEPS=…` finds the step that causes it."""
    stage = Stage(tmp_path)
    try:
        found, seen = live(stage, make_story(SHORT_SEED, SHORT_STEPS))
    finally:
        stage.end()
    assert not found
    assert seen["kills"] and seen["suspensions"], "the story is too tame"


def message(line: dict[str, Any], **changes: Any) -> dict[str, Any]:
    fields = {"file": line["file_id"], **{name: line[name] for name in line if name not in ("file_id", "balanced", "note")}}
    return fields | changes


def scene() -> tuple[Sent, Found]:
    """Two generations of a name, the first of them with a bad row, and a file that the function rejected; all is well."""
    old = csv(*[row(f"T{number}") for number in range(10)], row("T0", status="lost"))
    new = csv(row("T0", "2026-01-02 10:00:00"), row("T1", "2025-01-01 10:00:00"))
    bad = b"not,what\nwas,agreed\n"
    sent = Sent(files={file: SentFile(content, ARRIVAL) for file, content in ((OLD, old), (NEW, new), (BAD, bad))})
    counts = {"outcome": "merged", "outranked": 0, "rejected_rows": 0, "balanced": True, "note": None}
    log = [
        counts | {"file_id": OLD, "rows": 11, "inserted": 10, "updated": 0, "rejected_rows": 1},
        counts | {"file_id": NEW, "rows": 2, "inserted": 0, "updated": 1, "outranked": 1},
    ]
    no_counts = dict.fromkeys(("rows", "inserted", "updated", "outranked", "rejected_rows"))
    found = Found(
        target=list(oracle.newest(row for content in (old, new) for _, row in _good(content)).values()),
        log=log,
        attempts=[{"file_id": OLD}, {"file_id": NEW}],
        rejected_rows=[{"file_id": OLD, "row_number": 11}],
        changes=[*((OLD, number, True) for number in range(1, 11)), (NEW, 1, False)],
        messages=[*map(message, log), no_counts | {"file": BAD, "outcome": "rejected"}],
        objects={
            "archive/a.1.csv": old,
            "archive/a.2.csv": new,
            "rejected/x.csv.3": bad,
            "rejected/x.csv.3.report.json": b"{}",
        },
    )
    return sent, found


def _good(content: bytes) -> list[tuple[int, oracle.Row]]:
    return [(number, row) for number, row in oracle.read_file(content, ARRIVAL) or [] if row is not None]


def test_the_comparison_finds_nothing_where_all_is_well() -> None:
    assert findings(*scene()) == []


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(lambda sent, found: found.target[0].update(address="x"), id="a row changed in the target"),
        pytest.param(lambda sent, found: found.target.pop(), id="a row gone from the target"),
        pytest.param(lambda sent, found: found.target.append(found.target[0]), id="a key twice"),
        pytest.param(lambda sent, found: found.log.pop(), id="a line gone from the log"),
        pytest.param(lambda sent, found: found.log.append(found.log[0]), id="a second line"),
        pytest.param(lambda sent, found: found.log[0].update(outcome="superseded"), id="merged, logged as superseded"),
        pytest.param(lambda sent, found: found.log[0].update(inserted=9, outranked=1), id="balanced, but not the feed"),
        pytest.param(lambda sent, found: found.log[0].update(outranked=1), id="does not balance"),
        pytest.param(lambda sent, found: found.log[0].update(inserted=None), id="counts unknown without a reason"),
        pytest.param(lambda sent, found: found.changes.append((BAD, 1, True)), id="rows of a file without a line"),
        pytest.param(lambda sent, found: found.rejected_rows.pop(), id="a rejected row gone"),
        pytest.param(lambda sent, found: found.rejected_rows.append(found.rejected_rows[0]), id="a rejected row twice"),
        pytest.param(lambda sent, found: found.messages.pop(0), id="a message gone"),
        pytest.param(lambda sent, found: found.messages[0].update(inserted=9), id="announced other than logged"),
        pytest.param(lambda sent, found: found.messages.pop(), id="a rejected file without an outcome"),
        pytest.param(lambda sent, found: found.messages.append(message(found.log[1], file=OLD, outcome="rejected"))
                     or found.log.pop(0), id="a good file rejected"),
        pytest.param(lambda sent, found: found.objects.pop("archive/a.2.csv"), id="an object gone"),
        pytest.param(lambda sent, found: found.objects.update({"archive/a.2.csv": b""}), id="other bytes"),
        pytest.param(lambda sent, found: found.objects.update({"source/a": b"x"}), id="a file left in source/"),
        pytest.param(lambda sent, found: found.objects.pop("rejected/x.csv.3.report.json"), id="no report"),
    ],
)  # fmt: skip
def test_the_comparison_notices(plant: Callable[[Sent, Found], Any]) -> None:
    sent, found = copy.deepcopy(scene())
    plant(sent, found)
    assert findings(sent, found)


def test_a_row_deleted_by_hand_may_come_back_only_with_a_file_that_was_not_done() -> None:
    sent, found = scene()
    gone = found.target.pop(5)
    everything = frozenset({OLD, NEW})
    sent.by_hand = [HandChange(gone["tracking_num"], None, everything, everything, beside_run=False)]
    assert findings(sent, found) == []
    found.target.append(gone)
    assert findings(sent, found), "it came back from files that were done"
    sent.by_hand = [HandChange(gone["tracking_num"], None, frozenset({NEW}), everything, beside_run=False)]
    assert findings(sent, found) == [], "a file that was still under way may bring it back"
    sent.by_hand = [HandChange(gone["tracking_num"], None, frozenset({NEW}), frozenset({NEW}), beside_run=False)]
    assert findings(sent, found) == []
    found.target.remove(gone)
    assert findings(sent, found), "a file that was sent afterwards must bring it"


def test_a_seed_gives_the_same_story_and_the_same_bytes() -> None:
    assert make_story(5, 60) == make_story(5, 60) != make_story(6, 60)
    for step in make_story(5, 60):
        if isinstance(step, Upload):
            assert content_of(step.kind, step.seed) == content_of(step.kind, step.seed)
            good = oracle.read_file(content_of(step.kind, step.seed), ARRIVAL)
            bad = sum(values is None for _, values in good or [])
            if step.kind in {"good", "some bad rows"}:
                assert good is not None and bad <= len(good) / 10


def test_a_failing_story_is_shrunk_to_the_steps_that_matter() -> None:
    steps = [ArmFaults(((number, 1),)) for number in range(20)]
    steps.insert(7, Run("killed"))  # type: ignore[arg-type]
    steps.insert(15, Run("suspended"))  # type: ignore[arg-type]
    wanted = [Run("killed"), Run("suspended")]
    assert shrink(steps, lambda kept: all(step in kept for step in wanted), time.monotonic() + 9) == wanted
