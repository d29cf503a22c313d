"""All jobs of the server: those that it reads from the bundle, and those that a client posted, which survive a restart.

A posted job runs the wheel that was uploaded to the workspace: the one that its task's libraries, or its task's
environment, names.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from infra.local.jobs.answers import ApiError, invalid, malformed
from infra.local.jobs.execution import Wheel
from infra.local.jobs.job_settings import Job, JobError, read_job
from infra.local.jobs.store import Store
from infra.local.jobs.workspace import Workspace

KIND = "job"
NOT_SETTINGS = ("access_control_list", "idempotency_token")


class NoWheel(Exception):
    """A task names no wheel that can be installed; the message says what it names."""


class Jobs(Mapping[int, Job]):
    """By id: first those of the bundle."""

    def __init__(self, bundled: Iterable[Job], store: Store, workspace: Workspace) -> None:
        self._bundled = {job.job_id: job for job in bundled}
        self._store = store
        self._workspace = workspace
        self._posted = {int(key): _read(int(key), settings) for key, settings in store.documents(KIND).items()}

    def __getitem__(self, job_id: int) -> Job:
        return self._bundled[job_id] if job_id in self._bundled else self._posted[job_id]

    def __iter__(self) -> Iterator[int]:
        yield from self._bundled
        yield from self._posted

    def __len__(self) -> int:
        return len(self._bundled) + len(self._posted)

    def create(self, settings: dict[str, Any]) -> int:
        """The new job's id. Raises ApiError."""
        kept = {name: value for name, value in settings.items() if name not in NOT_SETTINGS}
        _read(0, kept)  # before it takes an id
        return self._put(self._store.new_id(), kept)

    def reset(self, job_id: int, settings: Any) -> None:
        """Replace all settings, except that `run_as` stays if it is not given, as on the platform. Raises ApiError."""
        old = self._changeable(job_id).settings
        if not isinstance(settings, dict):
            raise malformed("expected an object in the field new_settings")
        self._put(job_id, {**({"run_as": old["run_as"]} if "run_as" in old else {}), **settings})

    def delete(self, job_id: int) -> None:
        """Raises ApiError."""
        self._changeable(job_id)
        self._store.delete_document(KIND, str(job_id))
        del self._posted[job_id]

    def wheel(self, job: Job, task_key: str) -> Wheel | None:
        """The wheel that a task of a posted job installs; None for a job of the bundle, whose wheel the server has.

        Raises NoWheel.
        """
        if job.job_id in self._bundled:
            return None
        named = [path for path in _dependencies(job, task_key) if path.endswith(".whl")]
        if len(named) != 1:
            found = f"{len(named)} wheels ({', '.join(named)})" if named else "no wheel"
            raise NoWheel(f"The task's libraries or environment must name one wheel in the workspace, and name {found}.")
        name = posixpath.basename(named[0])
        try:
            parse_wheel_filename(name)
            return Wheel(name, self._workspace.read(named[0]))
        except (InvalidWheelFilename, ApiError) as error:
            raise NoWheel(f"Library installation failed for {named[0]}: {error}") from None

    def _changeable(self, job_id: int) -> Job:
        if job_id in self._bundled:
            raise invalid(
                f"Job {job_id} is read from the bundle when the server starts: change the bundle's files instead."
            )
        if job_id not in self._posted:
            raise invalid(f"Job {job_id} does not exist.")
        return self._posted[job_id]

    def _put(self, job_id: int, settings: dict[str, Any]) -> int:
        job = _read(job_id, settings)
        self._store.put_document(KIND, str(job_id), settings)
        self._posted[job_id] = job
        return job_id


def _read(job_id: int, settings: dict[str, Any]) -> Job:
    try:
        job = read_job(job_id, str(settings.get("name", "Untitled")), settings)
        for task in job.tasks:
            _dependencies(job, task.task_key)
        return job  # noqa: TRY300
    except JobError as error:
        raise invalid(f"{error}.") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise malformed(f"the job's settings have an unexpected form ({error!r})") from None


def _dependencies(job: Job, task_key: str) -> list[str]:
    """What the task installs: its own libraries, and the dependencies of its environment."""
    task = next(task for task in job.settings["tasks"] if str(task["task_key"]) == task_key)
    named = [library.get("whl") for library in task.get("libraries") or []]
    for environment in job.settings.get("environments") or []:
        if environment.get("environment_key") == task.get("environment_key"):
            named += (environment.get("spec") or {}).get("dependencies") or []
    return [name for name in named if isinstance(name, str)]
