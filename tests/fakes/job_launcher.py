"""A job that keeps to the rules of idempotency tokens, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from spark_jobs.cloud.ports import WorldTrouble
from spark_jobs.contract.parameters import RunParameters


@dataclass
class FakeJobLauncher:
    """``runs`` maps tokens to what their run was told, in order of launch; ``trouble`` makes every call fail."""

    runs: dict[str, RunParameters] = field(default_factory=dict)
    active: bool = False
    trouble: str | None = None

    def launch(self, token: str, parameters: RunParameters) -> int:
        self._check()
        self.runs.setdefault(token, parameters)
        return list(self.runs).index(token) + 1

    def has_active_run(self) -> bool:
        self._check()
        return self.active

    def _check(self) -> None:
        if self.trouble:
            raise WorldTrouble(self.trouble)
