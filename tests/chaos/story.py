"""Stories as pure data: a seed gives the same steps everywhere, and any selection of a story's steps is a story too."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from tests.oracle import COLUMNS, LIFECYCLE

NAMES = (
    *(f"source/order_tracking_2026_01_{day:02d}.csv" for day in range(1, 6)),
    "source/eu west/order_tracking_2026_01_05.csv",
)
BAD_NAME = "source/order_tracking_2026_02_30.csv"
KEYS = tuple(f"K{number}" for number in range(24))
STEPS_OF_A_RUN = ("taken", "staged", "staging done", "merged", "bad rows recorded", "recorded", "announced", "archived")
WITHIN_COMMITS = ("orders_attempts", "orders_stage", "orders_target", "orders_rejected_rows", "orders_ingest_log")
MOMENTS = (*STEPS_OF_A_RUN, *WITHIN_COMMITS)
"""A step as it is left; or a table, in the middle of a commit to it: a data file is written, the commit is not."""

# None of them matches a request of the story's own sender or of the comparison.
_JOB_GET = r"fields=items|/o/source"
_FAULTS: tuple[dict[str, Any], ...] = (
    {"action": "status", "status": 503, "method": "GET", "path_regex": _JOB_GET, "retry_after": "1"},
    {"action": "status", "status": 429, "method": "PATCH"},
    {"action": "status", "status": 403, "method": "GET", "path_regex": _JOB_GET},
    {"action": "status", "status": 403, "method": "PATCH"},
    {"action": "status", "status": 403, "method": "POST", "path_regex": "moveTo"},
    {"action": "status", "status": 403, "method": "POST", "path_regex": "uploadType=multipart"},
    {"action": "reset", "method": "GET", "path_regex": _JOB_GET},
    {"action": "reset", "method": "PATCH", "phase": "after"},
    {"action": "reset", "method": "POST", "path_regex": "moveTo", "phase": "after"},
    {"action": "slow", "method": "GET", "path_regex": "alt=media", "seconds": 1.0},
)


@dataclass(frozen=True)
class Upload:
    """A new generation. ``event``: delivered at once, twice, later (in any order), or lost."""

    name: str
    kind: Literal["good", "some bad rows", "too many bad rows", "broken", "empty"]
    seed: int
    event: Literal["at once", "twice", "later", "lost"]


@dataclass(frozen=True)
class Delete:
    """The sender deletes the object, if it is still there."""

    name: str


@dataclass(frozen=True)
class DeliverEvents:
    """All late events, in an order of their own."""

    seed: int


@dataclass(frozen=True)
class Sweep:
    """A tick of the scheduler."""


@dataclass(frozen=True)
class ArmFaults:
    """Storage misbehaves: each (index into the list of faults, number of requests)."""

    faults: tuple[tuple[int, int], ...]

    def as_json(self) -> list[dict[str, Any]]:
        return [{**_FAULTS[index], "times": times} for index, times in self.faults]


@dataclass(frozen=True)
class Run:
    """A run of the job. ``at``: where it is killed or suspended; ``then``: where it is killed after that. ``beside``: the
    story continues while it runs. ``small``: read on the driver; otherwise by Spark. ``unpublished``: how many outcomes the
    broker refuses."""

    how: Literal["to its end", "killed", "suspended", "beside"] = "to its end"
    at: str = ""
    then: str = ""
    small: bool = True
    batch_files: int = 1000
    unpublished: int = 0


@dataclass(frozen=True)
class Resume:
    """The suspended run continues and ends before the next step. A run beside the story is waited for."""


@dataclass(frozen=True)
class SetClocks:
    """Seconds by which the clocks of the function and of the next runs are off."""

    function: int
    job: int


@dataclass(frozen=True)
class LetHoursPass:
    """Long enough for parked files to be due again."""

    hours: int


@dataclass(frozen=True)
class Maintain:
    """OPTIMIZE, or VACUUM: of the target as its retention allows, of the other tables of everything that is not current."""

    action: Literal["OPTIMIZE", "VACUUM"]
    table: str


@dataclass(frozen=True)
class ChangeByHand:
    """A user deletes a row of the target or changes its address."""

    action: Literal["DELETE", "UPDATE"]
    key: str


@dataclass(frozen=True)
class Retry:
    """`order-tracking retry` of every file that waits."""


Step = (
    Upload | Delete | DeliverEvents | Sweep | ArmFaults | Run | Resume | SetClocks | LetHoursPass | Maintain | ChangeByHand
    | Retry
)  # fmt: skip


def make_story(seed: int, length: int) -> list[Step]:
    """The story of a seed."""
    rng = random.Random(seed)
    makers = (_upload, _run, _fault_or_time, _table)
    steps = [_upload(rng), _upload(rng)]
    while len(steps) < length:
        steps.append(rng.choices(makers, (10, 10, 5, 3))[0](rng))
    return steps


def _upload(rng: random.Random) -> Step:
    name = rng.choice(NAMES)
    if rng.random() < 0.15:
        return Delete(name)
    kind = rng.choices(("good", "some bad rows", "too many bad rows", "broken", "empty"), (9, 6, 1, 1, 1))[0]
    event = rng.choices(("at once", "twice", "later", "lost"), (8, 2, 2, 2))[0]
    name = BAD_NAME if kind == "broken" and rng.random() < 0.3 else name
    return Upload(name, kind, rng.randrange(10**6), event)  # type: ignore[arg-type]


def _run(rng: random.Random) -> Step:
    small, batch_files = rng.random() < 0.7, rng.choice((1, 2, 1000, 1000))
    unpublished = rng.choice((0, 0, 0, 0, 1, 9))
    how = rng.choices(("to its end", "killed", "suspended", "beside", "resume"), (3, 6, 6, 2, 2))[0]
    if how == "resume":
        return Resume()
    at = rng.choice(MOMENTS) if how in {"killed", "suspended"} else ""
    then = rng.choice(MOMENTS) if how == "suspended" and rng.random() < 0.35 else ""
    return Run(how, at, then, small, batch_files, unpublished)  # type: ignore[arg-type]


def _fault_or_time(rng: random.Random) -> Step:
    kind = rng.randrange(7)
    if kind <= 1:
        chosen = rng.sample(range(len(_FAULTS)), rng.randint(1, 3))
        return ArmFaults(tuple((index, rng.randint(1, 2)) for index in chosen))
    if kind == 2:
        return SetClocks(rng.randint(-240, 240), rng.randint(-240, 240))
    if kind == 3:
        return LetHoursPass(rng.choice((2, 25)))
    return (DeliverEvents(rng.randrange(10**6)), Sweep(), Retry())[kind - 4]


def _table(rng: random.Random) -> Step:
    if rng.random() < 0.55:
        return ChangeByHand(rng.choice(("DELETE", "UPDATE")), rng.choice(KEYS[:12]))  # type: ignore[arg-type]
    return Maintain(rng.choice(("OPTIMIZE", "VACUUM")), rng.choice(WITHIN_COMMITS))  # type: ignore[arg-type]


def content_of(kind: str, seed: int) -> bytes:
    """The bytes of an upload."""
    rng = random.Random(seed)
    if kind == "empty":
        return b""
    if kind == "broken":
        return rng.choice((b"not,what\nwas,agreed\n", b"\xff\xfe\x00", ",".join(COLUMNS).encode() + b'\n"never closed'))
    rows = [_row(rng) for _ in range(rng.choice((0, 1, 5, 20, 60)))]
    if kind == "some bad rows":
        rows += [_row(rng) for _ in range(20)]
        rows += [_bad_row(rng) for _ in range(rng.randint(1, 2))]
    elif kind == "too many bad rows":
        rows += [_bad_row(rng) for _ in range(len(rows) // 4 + 1)]
    rng.shuffle(rows)
    end = rng.choice(("\n", "\r\n"))
    return ("\ufeff" * (rng.random() < 0.2) + end.join([",".join(COLUMNS), *rows]) + end).encode()


def _row(rng: random.Random) -> str:
    """Few keys and few moments, so that files share keys and rows tie."""
    address = rng.choice(
        ("", "1 Main St", '"12 Oak Ave, Springfield"', '"the ""old"" mill"', '"two\nlines"', "Zürich", " x ")
    )
    stamp = f"2026-01-{rng.randint(1, 9):02d}{rng.choice(' T')}{rng.choice(('10:00:00', '10:00:00.5', '12:00:00+02:00'))}"
    received = rng.choice(("", "2026-01-01", "2025-12-31"))
    status = rng.choice((*LIFECYCLE, "In_Transit", "cancelled"))
    return f"A{rng.randint(1, 3)},{rng.choice(KEYS)},{received},,{status},{address},{stamp}"


def _bad_row(rng: random.Random) -> str:
    key = rng.choice(KEYS)
    return rng.choice(
        (
            f"A1,{key},,,lost,,2026-01-01 10:00:00",
            f"A1,{key},2026-02-30,,shipped,,2026-01-01 10:00:00",
            f"A1,{key},,,shipped,,2099-01-01 10:00:00",
            f"A1,{key},,,shipped",
            ",,,,,,",
        )
    )
