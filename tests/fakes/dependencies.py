"""A World made of fakes, and a few files to put into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from functions.config import Config
from functions.dependencies import Dependencies
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeClock, FakeFileStore
from tests.fakes.job import FakeJob

BUCKET = "orders-data"
NAME = "source/order_tracking_2026_01_31.csv"
HEADER = b"order_num,tracking_num,pck_recieved_date,package_deliver_date,status,address,last_update_timestamp\n"
GOOD = HEADER + b'A1,T1,2026-01-30,,shipped,"12 Main St, Springfield",2026-01-31 10:00:00\n'
BAD_HEADER = b"order_num,tracking_num,status\nA1,T1,shipped\n"


@dataclass
class FakeWorld:
    """The parts under their own types, so that a test can reach into them; ``world`` puts them together."""

    config: Config = field(default_factory=lambda: Config(job_id=77, source_bucket=BUCKET))
    clock: FakeClock = field(default_factory=FakeClock)
    job: FakeJob = field(default_factory=FakeJob)
    announcer: FakeAnnouncer = field(default_factory=FakeAnnouncer)
    store: FakeFileStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = FakeFileStore(now=self.clock)

    @property
    def deps(self) -> Dependencies:
        """A new one each time, as a new instance of the function has."""
        return Dependencies(
            config=self.config,
            store=self.store,
            job=self.job,
            announcer=self.announcer,
            now=self.clock,
            elapsed=lambda: self.clock().timestamp(),
        )

    def age(self, **duration: float) -> None:
        self.clock.advance(timedelta(**duration).total_seconds())
