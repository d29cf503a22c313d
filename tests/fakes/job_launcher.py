"""A job that keeps to the rules of idempotency tokens, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from functions.ports import FailedRun
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.parameters import RunParameters


@dataclass
class FakeJobLauncher:
    """``runs`` maps tokens to what their run was told, in order of launch; ``trouble`` makes every call fail.

    ``failed`` are the runs that ended in failure, whenever that was.
    """

    runs: dict[str, RunParameters] = field(default_factory=dict)
    active: bool = False
    trouble: str | None = None
    failed: list[FailedRun] = field(default_factory=list)

    def launch(self, token: str, parameters: RunParameters) -> int:
        self._check()
        self.runs.setdefault(token, parameters)
        return list(self.runs).index(token) + 1

    def has_active_run(self) -> bool:
        self._check()
        return self.active

    def failed_runs(self, since: datetime) -> list[FailedRun]:
        self._check()
        return [run for run in self.failed if run.ended >= since]

    def _check(self) -> None:
        if self.trouble:
            raise TransientError(self.trouble)
