"""LAUNCH is switched in either direction while files arrive: each of them is loaded, whoever handles its event, and when.

Instances with the old and the new setting work side by side for a while, and a continuous run may begin, end or be missing
at any time. What remains then is up to the sweep.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from functions.dependencies import Dependencies
from functions.handler import handle_upload
from functions.sweep import sweep
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from tests.fakes.dependencies import GOOD, FakeDependencies
from tests.fakes.job import FakeJob

STEPS = 120


@dataclass
class Installation:
    """One bucket, the job that the function launches, and a continuous job; both take every file that is marked."""

    live: FakeDependencies = field(default_factory=FakeDependencies.live)
    events: list[FileId] = field(default_factory=list)
    uploaded: int = 0
    seen_runs: int = 0

    @property
    def continuous(self) -> FakeJob:
        assert self.live.continuous_job
        return self.live.continuous_job

    def instance(self, launch: str) -> Dependencies:
        if launch == "never":
            return self.live.deps
        config = replace(self.live.config, launch="window", continuous_job_id=None)
        return replace(self.live.deps, config=config, continuous_job=None)

    def upload(self) -> None:
        self.uploaded += 1
        stored = self.live.store.upload(f"source/{self.uploaded}/order_tracking_2026_01_31.csv", GOOD)
        self.events.append(stored.file)

    def handle_event(self, launch: str) -> None:
        if self.events:
            file = self.events.pop(0)
            try:
                handle_upload(file, self.instance(launch))
            except TransientError:
                self.events.append(file)  # Eventarc sends it again

    def tick(self, launch: str) -> None:
        try:
            sweep(f"tick at {self.live.clock()}", self.instance(launch))
        except TransientError:
            return  # the next one does the same

    def runs_take_files(self) -> None:
        """A run that was launched, and the continuous one while it is alive, take what is marked."""
        launched = len(self.live.job.runs)
        if launched > self.seen_runs or self.continuous.active:
            for key, held in list(self.live.store.objects.items()):
                stored = held.stored
                if AcceptedMark.valid_on(stored.file.generation, stored.metageneration, stored.size, stored.metadata):
                    del self.live.store.objects[key]
        self.seen_runs = launched

    def left(self) -> list[str]:
        return self.live.store.names("source/")


@pytest.mark.parametrize("seed", range(40))
def test_every_file_is_loaded_while_the_mode_is_switched_to_and_fro(seed: int) -> None:
    chance = random.Random(seed)
    here = Installation()
    here.continuous.active = False
    modes = ["window"]
    for _ in range(STEPS):
        launch = chance.choice(modes)
        match chance.choice(
            ["upload", "upload", "event", "event", "lost", "switch", "run", "tick", "died", "down", "wait"]
        ):
            case "upload":
                here.upload()
            case "event":
                here.handle_event(launch)
            case "lost":
                del here.events[:1]
            case "switch":
                # Old instances go on for a while. The bundle comes before the function.
                modes = [modes[-1], "never" if modes[-1] == "window" else "window"]
                here.continuous.active = modes[-1] == "never"
            case "run":
                here.runs_take_files()
            case "tick":
                here.tick(launch)
            case "died":
                here.continuous.active = modes[-1] == "never" and chance.random() < 0.5
            case "down":
                here.live.job.error = here.continuous.error = chance.choice([None, "Databricks is down"])
            case "wait":
                here.live.age(seconds=chance.randrange(400))

    here.live.job.error = here.continuous.error = None
    while here.events:
        here.handle_event(modes[-1])
    for _ in range(2):
        here.live.age(seconds=601)
        here.tick(modes[-1])
        here.runs_take_files()
    assert here.uploaded > 5
    assert here.left() == []


def test_the_test_would_notice_a_file_that_nobody_loads() -> None:
    """Without the sweep's own runs, a continuous run that is never alive leaves its files."""
    here = Installation()
    here.continuous.active = False
    here.upload()
    here.handle_event("never")
    here.runs_take_files()
    assert here.left()
    here.live.age(seconds=601)
    here.tick("never")
    here.runs_take_files()
    assert here.left() == []
