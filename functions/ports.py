"""What the function asks of Databricks. Storage and Pub/Sub: `spark_jobs.cloud.ports`, shared with the job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spark_jobs.contract.parameters import RunParameters


@dataclass(frozen=True)
class FailedRun:
    """``ended`` is aware. ``reason`` is what the run raised, at any length and with any character in it."""

    run_id: int
    ended: datetime
    reason: str


class JobLauncher(Protocol):
    """The one job. Methods raise `spark_jobs.cloud.ports.WorldTrouble`, nothing else."""

    def launch(self, token: str, parameters: RunParameters) -> int:
        """Start a run, or find the one that this token started before; its run id."""

    def has_active_run(self) -> bool:
        """Whether a run of the job is queued, waiting or running."""

    def failed_runs(self, since: datetime) -> list[FailedRun]:
        """Of the latest runs, those that ended in failure at ``since`` (aware) or later. A cancelled run didn't fail."""
