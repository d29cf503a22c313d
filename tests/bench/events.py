"""Events a second through functions-framework: the function on three kinds of events, next to a handler that does nothing.

python -m tests.bench.events [EVENTS=1000] [ROUNDS=7]        `make bench-events`

The real main.py under the real framework; bucket and jobs API are in memory, so that what is measured is the framework
and our code. Interleaved, warmed, medians. Exits 1 where a goal isn't met.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import functions_framework

from functions import bootstrap
from tests.bench.arguments import number
from tests.bench.figures import ROOT, Goal, keep, show_goals
from tests.events import binary
from tests.fakes.dependencies import BUCKET, GOOD, NAME, FakeDependencies

BARE = "import functions_framework\n\n\n@functions_framework.cloud_event\ndef handle(event):\n    pass\n"
BARE_NAME = "bare handler"
LEAST = {"foreign objects": 0.5, "repeated events": 0.5}
Request = dict[str, Any]


def main() -> int:
    events, rounds = number("EVENTS", 1000), number("ROUNDS", 7)
    deps = FakeDependencies()
    kept = deps.deps
    bootstrap.deps = lambda: kept  # type: ignore[assignment]  # one instance, as a warm one has
    kinds: dict[str, Callable[[int], list[Request]]] = {
        BARE_NAME: lambda count: [binary()] * count,
        "foreign objects": lambda count: [binary(bucket=BUCKET, name=f"archive/{n}.csv") for n in range(count)],
        "repeated events": lambda count: _repeated(deps, count),
        "valid small files": lambda count: _valid(deps, count),
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        clients = _clients(Path(folder), kinds)
        rates: dict[str, list[float]] = {kind: [] for kind in kinds}
        for turn in range(rounds + 1):
            for kind, make in kinds.items():
                rate = _rate(clients[kind], make(events))
                if turn:  # the first one warms up
                    rates[kind].append(rate)
    medians = {kind: statistics.median(found) for kind, found in rates.items()}
    print(f"events a second, one thread, medians of {rounds} rounds of {events:,}, interleaved")
    for kind, rate in medians.items():
        print(f"{kind:20}{rate:9,.0f}   {rate / medians[BARE_NAME]:5.2f} of the bare handler")
    keep("events", {"events_a_second": {kind: round(rate) for kind, rate in medians.items()}})
    goals = [Goal(kind, medians[kind] / medians[BARE_NAME], least, least=True) for kind, least in LEAST.items()]
    return show_goals(goals)


def _clients(folder: Path, kinds: dict[str, Callable[[int], list[Request]]]) -> dict[str, Any]:
    bare = folder / "main.py"
    bare.write_text(BARE)
    ours = functions_framework.create_app("on_object_finalized", str(ROOT / "main.py"), "cloudevent").test_client()
    none = functions_framework.create_app("handle", str(bare), "cloudevent").test_client()
    return {kind: none if kind == BARE_NAME else ours for kind in kinds}


def _rate(client: Any, requests: list[Request]) -> float:
    started = time.perf_counter()
    for request in requests:
        if client.post("/", **request).status_code >= 300:
            raise RuntimeError("an event was refused")
    return len(requests) / (time.perf_counter() - started)


def _repeated(deps: FakeDependencies, count: int) -> list[Request]:
    """Events of a file whose run was launched in this window; the first of them is sent before, by `_valid` or here."""
    stored = deps.store.upload(NAME, GOOD)
    first = binary(bucket=BUCKET, name=NAME, generation=str(stored.file.generation))
    return [first] * count


def _valid(deps: FakeDependencies, count: int) -> list[Request]:
    """Each in a new object, as uploads come."""
    names = [f"source/{n}/{NAME.removeprefix('source/')}" for n in range(count)]
    stored = [deps.store.upload(name, GOOD) for name in names]
    return [binary(bucket=BUCKET, name=s.file.name, generation=str(s.file.generation)) for s in stored]


if __name__ == "__main__":
    sys.exit(main())
