"""API resources of jobs and runs, with both `state` (old) and `status` (new). Times are in milliseconds."""

from __future__ import annotations

from typing import Any

from infra.local.jobs.job_settings import Job
from infra.local.jobs.login import USER
from infra.local.jobs.store import Attempt, Run, now_ms

# Texts and codes of the real API, as far as they are known.
WORKLOAD_FAILED = "Workload failed, see run output for details"
CODES = {
    "SUCCESS": "SUCCESS",
    "SUCCESS_WITH_FAILURES": "SUCCESS_WITH_FAILURES",
    "FAILED": "RUN_EXECUTION_ERROR",
    "UPSTREAM_FAILED": "RUN_EXECUTION_ERROR",
    "TIMEDOUT": "CANCELED",
    "CANCELED": "USER_CANCELED",
}


def run_json(run: Run, attempts: list[Attempt], job: Job | None, page_url: str) -> dict[str, Any]:
    """The response of runs/get, or an item of runs/list."""
    called = min((attempt.called for attempt in attempts if attempt.called), default=None)
    returned = max((attempt.ended or now_ms() for attempt in attempts), default=0)
    end = run.ended or now_ms()
    defaults = job.parameters if job else {}
    answer = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "run_name": run.run_name,
        "run_type": "JOB_RUN",
        "run_page_url": page_url,
        "trigger": "CONTINUOUS" if job and job.continuous else "ONE_TIME",
        "format": "MULTI_TASK",
        "start_time": run.created,
        "end_time": run.ended or 0,
        "queue_duration": (run.started or end) - run.created,
        "setup_duration": (called - run.started) if called and run.started else 0,
        "execution_duration": (returned - called) if called else 0,
        "run_duration": end - run.created,
        **_state(run.state, run.result, run.message),
        "job_parameters": [
            {"name": name, "default": defaults.get(name, ""), "value": value} for name, value in run.parameters.items()
        ],
        "tasks": [task_json(attempt, job, page_url) for attempt in attempts],
    }
    if run.state == "QUEUED":
        reason = "Queued due to reaching maximum concurrent runs."
        answer["status"]["queue_details"] = {"code": "MAX_CONCURRENT_RUNS_REACHED", "message": reason}
    if run.overriding:
        answer["overriding_parameters"] = {"job_parameters": run.overriding}
    return answer


def task_json(attempt: Attempt, job: Job | None, page_url: str) -> dict[str, Any]:
    """An attempt, as an item of `tasks`."""
    declared = (job.settings.get("tasks") or []) if job else []
    settings: dict[str, Any] = next((task for task in declared if task["task_key"] == attempt.task_key), {})
    failed = (attempt.state, attempt.result) == ("TERMINATED", "FAILED")
    return {
        **settings,
        "task_key": attempt.task_key,
        "run_id": attempt.attempt_id,
        "attempt_number": attempt.number,
        "run_page_url": page_url,
        "start_time": attempt.created,
        "end_time": attempt.ended or 0,
        "setup_duration": (attempt.called - attempt.created) if attempt.called else 0,
        "execution_duration": ((attempt.ended or now_ms()) - attempt.called) if attempt.called else 0,
        **_state(attempt.state, attempt.result, WORKLOAD_FAILED if failed else attempt.error),
    }


def job_json(job: Job) -> dict[str, Any]:
    """The response of jobs/get, or an item of jobs/list."""
    runs_as = job.settings.get("run_as") or {}
    run_as = runs_as.get("service_principal_name") or runs_as.get("user_name") or USER
    return {
        "job_id": job.job_id,
        "creator_user_name": USER,
        "run_as_user_name": run_as,
        "settings": {"format": "MULTI_TASK", **job.settings},
    }


def _state(state: str, result: str | None, message: str) -> dict[str, Any]:
    """`status` has no INTERNAL_ERROR and no SKIPPED state; it reports both as TERMINATED."""
    old = {
        "life_cycle_state": state,
        "state_message": message,
        "user_cancelled_or_timedout": result in ("CANCELED", "TIMEDOUT"),
    }
    if result is None:
        return {"state": old, "status": {"state": state}}
    code = {"INTERNAL_ERROR": "INTERNAL_ERROR", "SKIPPED": "MAX_CONCURRENT_RUNS_EXCEEDED"}.get(state) or CODES[result]
    kind = "SUCCESS" if code.startswith("SUCCESS") else code if code == "INTERNAL_ERROR" else "CLIENT_ERROR"
    details = {"code": code, "type": kind, "message": message}
    return {"state": {**old, "result_state": result}, "status": {"state": "TERMINATED", "termination_details": details}}
