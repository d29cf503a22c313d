"""The function's dependencies as fakes, and a few files to upload."""

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
class FakeDependencies:
    """The fakes under their own types, so that a test can access them; ``deps`` combines them."""

    config: Config = field(default_factory=lambda: Config(job_id=77, source_bucket=BUCKET))
    clock: FakeClock = field(default_factory=FakeClock)
    job: FakeJob = field(default_factory=FakeJob)
    continuous_job: FakeJob | None = None
    announcer: FakeAnnouncer = field(default_factory=FakeAnnouncer)
    store: FakeFileStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = FakeFileStore(now=self.clock)

    @classmethod
    def live(cls, *, alive: bool = True) -> FakeDependencies:
        """With LAUNCH=never, and a continuous job whose run is alive or not."""
        config = Config(job_id=77, source_bucket=BUCKET, launch="never", continuous_job_id=88)
        return cls(config, continuous_job=FakeJob(active=alive))

    @property
    def deps(self) -> Dependencies:
        """New Dependencies each time, as in a new instance of the function."""
        return Dependencies(
            config=self.config,
            store=self.store,
            job=self.job,
            continuous_job=self.continuous_job,
            announcer=self.announcer,
            now=self.clock,
            elapsed=lambda: self.clock().timestamp(),
        )

    def age(self, **duration: float) -> None:
        self.clock.advance(timedelta(**duration).total_seconds())
