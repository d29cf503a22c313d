"""What the function asks of Databricks. Storage and Pub/Sub: `spark_jobs.cloud.ports`, shared with the job."""

from __future__ import annotations

from typing import Protocol

from spark_jobs.contract.parameters import RunParameters


class JobLauncher(Protocol):
    """The one job. Methods raise `spark_jobs.cloud.ports.WorldTrouble`, nothing else."""

    def launch(self, token: str, parameters: RunParameters) -> int:
        """Start a run, or find the one that this token started before; its run id."""

    def has_active_run(self) -> bool:
        """Whether a run of the job is queued, waiting or running."""
