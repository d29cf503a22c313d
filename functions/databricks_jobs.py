"""The job on Databricks, the one place where its SDK is used (its login: `databricks_login`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from spark_jobs.cloud.ports import WorldTrouble
from spark_jobs.contract.parameters import RunParameters

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

T = TypeVar("T")


class DatabricksJobLauncher:
    """JobLauncher over databricks-sdk. ``connect`` is called at the first launch: most events don't need it."""

    def __init__(self, connect: Callable[[], WorkspaceClient], job_id: int) -> None:
        self._connect = connect
        self._job_id = job_id
        self._client: WorkspaceClient | None = None

    def launch(self, token: str, parameters: RunParameters) -> int:
        # The SDK sends a POST again after a lost answer: without the token that would be a second run.
        waiter = self._ask(
            lambda client: client.jobs.run_now(
                job_id=self._job_id, idempotency_token=token, job_parameters=parameters.as_job_parameters()
            )
        )
        return int(waiter.run_id)

    def has_active_run(self) -> bool:
        return self._ask(lambda client: any(True for _ in client.jobs.list_runs(job_id=self._job_id, active_only=True)))

    def _ask(self, call: Callable[[WorkspaceClient], T]) -> T:
        from databricks.sdk.errors.base import DatabricksError
        from requests.exceptions import RequestException

        try:
            if self._client is None:
                self._client = self._connect()
            return call(self._client)
        except (DatabricksError, RequestException, TimeoutError, ValueError, OSError) as error:
            # ValueError is how the SDK reports a login that is not configured or not granted.
            raise WorldTrouble(f"Databricks job {self._job_id}: {type(error).__name__}: {error}") from error
