"""`make chaos`: stories with one seed after the other until the time is up; a finding is shrunk to the smallest story.

python -m tests.chaos [MINUTES=10] [SEED=1] [STEPS=40]        with SEED and without MINUTES: this one story
IGNORE=regex leaves out findings that match it: to look beyond a known one.
"""

from __future__ import annotations

import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.chaos.environment import Environment, Stage, quiet
from tests.chaos.story import Step, make_story
from tests.chaos.workers import Stuck

SHRINK_SECONDS = 600.0
SHOWN = ("steps", "runs", "failed runs", "kills", "suspensions")


def live(stage: Stage, steps: Sequence[Step], ignore: str = "") -> tuple[list[str], Counter[str]]:
    """The findings of a story, and what happened in it."""
    environment = Environment(stage)
    try:
        found = environment.live(list(steps))
    except Stuck as stuck:
        found = [f"a process hangs: {stuck}"]
        for worker in stage.workers:
            stage.replace(worker)
    if ignore:
        found = [finding for finding in found if not re.search(ignore, finding)]
    if not found:
        environment.clean()
    environment.seen["steps"] = len(steps)
    return found, environment.seen


def shrink(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool], end: float) -> list[Step]:
    """The smallest story found until ``end`` (monotonic) that still fails. Ever shorter runs of steps are left out."""
    kept, size = list(steps), len(steps) // 2
    while size:
        at = 0
        while at < len(kept):
            if time.monotonic() > end:
                return kept
            shorter = kept[:at] + kept[at + size :]
            if fails(shorter):
                kept = shorter
            else:
                at += size
        size //= 2
    return kept


def main() -> int:
    quiet()
    options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    seed = int(options.get("SEED") or random.randrange(10**6))
    minutes = options.get("MINUTES") or ("" if options.get("SEED") else "10")
    length, ignore = int(options.get("STEPS") or 40), options.get("IGNORE", "")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what was started
    begun, totals, stories = time.monotonic(), Counter[str](), 0
    folder = Path(tempfile.mkdtemp(prefix="order-tracking-chaos-"))
    stage = Stage(folder)
    try:
        while not stories or (minutes and time.monotonic() - begun < float(minutes) * 60):
            started, steps = time.monotonic(), make_story(seed, length)
            found, seen = live(stage, steps, ignore)
            stories, totals = stories + 1, totals + seen
            what = ", ".join(f"{seen[name]} {name}" for name in SHOWN)
            print(f"seed {seed}: {what}, {time.monotonic() - started:.0f} s{', ' if found else ''}", end="", flush=True)
            print(f"{len(found)} findings" if found else "", flush=True)
            if found:
                report(stage, seed, steps, found, ignore)
                return 1
            seed += 1
    finally:
        stage.end()
    shutil.rmtree(folder, ignore_errors=True)
    what = ", ".join(f"{totals[name]} {name}" for name in SHOWN)
    print(f"{stories} stories without a finding: {what}, {time.monotonic() - begun:.0f} s")
    return 0


def report(stage: Stage, seed: int, steps: Sequence[Step], found: Sequence[str], ignore: str) -> None:
    print("\n".join(f"  {finding}" for finding in found), "shrinking …", sep="\n", flush=True)
    latest = [list(found)]

    def fails(shorter: Sequence[Step]) -> bool:
        if now := live(stage, shorter, ignore)[0]:
            latest.append(now)
        return bool(now)

    smallest = shrink(steps, fails, time.monotonic() + SHRINK_SECONDS)
    print(f"\nthe smallest failing story of SEED={seed} STEPS={len(steps)} (tables, objects, logs: {stage.folder}):")
    print("\n".join(f"  {number:2d}  {step}" for number, step in enumerate(smallest, 1)))
    print("\n".join(f"  finding: {finding}" for finding in latest[-1]))


if __name__ == "__main__":
    raise SystemExit(main())
