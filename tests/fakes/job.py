"""Job in memory, with the rules of idempotency tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from spark_jobs.cloud.ports import FailedRun, JobRun, TransientError
from spark_jobs.contract.parameters import RunParameters


@dataclass
class FakeJob:
    """``runs`` maps tokens to the parameters of their run, in the order of launches. With ``error``, every call fails with
    that message. ``failed``: the runs that failed, at any time.
    """

    runs: dict[str, RunParameters] = field(default_factory=dict)
    active: bool = False
    error: str | None = None
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

    def recent_runs(self, limit: int) -> list[JobRun]:
        self._check()
        started = datetime(2026, 2, 1, tzinfo=UTC)
        return [JobRun(number, "SUCCESS", started, "") for number in range(len(self.runs), 0, -1)][:limit]

    def _check(self) -> None:
        if self.error:
            raise TransientError(self.error)
