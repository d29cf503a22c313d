"""API resources of jobs and runs, with both `state` (old) and `status` (new). Times are in milliseconds."""

from __future__ import annotations

from typing import Any

from infra.local.jobs.job import Job
from infra.local.jobs.runs import Attempt, Run, now_ms

CREATOR = "local"


def run_json(run: Run, attempts: list[Attempt], job: Job | None, page_url: str, expand: bool = True) -> dict[str, Any]:
    """The response of runs/get, or an item of runs/list."""
    now = now_ms()
    called, returned = _span(attempts)
    end = run.ended or now
    answer: dict[str, Any] = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "number_in_job": run.run_id,
        "original_attempt_run_id": run.run_id,
        "job_run_id": run.run_id,
        "run_name": run.run_name,
        "run_type": "JOB_RUN",
        "run_page_url": page_url,
        "creator_user_name": CREATOR,
        "trigger": "ONE_TIME",
        "format": "MULTI_TASK",
        "start_time": run.created,
        "end_time": run.ended or 0,
        "queue_duration": (run.started or end) - run.created if run.was_queued else 0,
        "setup_duration": (called - run.started) if called and run.started else 0,
        "execution_duration": ((returned or now) - called) if called else 0,
        "cleanup_duration": 0,
        "run_duration": end - run.created,
        "state": _state(run.state, run.result, run.message, run.code),
        "status": _status(run.state, run.message, run.code),
        "job_parameters": _parameters(run, job),
        "has_more": False,
    }
    if run.state == "QUEUED":
        reason = f"Queued due to reaching maximum concurrent runs of {job.max_concurrent_runs if job else 1}."
        answer["state"]["queue_reason"] = reason
        answer["status"]["queue_details"] = {"code": "MAX_CONCURRENT_RUNS_REACHED", "message": reason}
    if run.overriding:
        answer["overriding_parameters"] = {"job_parameters": run.overriding}
    if expand:
        answer["tasks"] = [task_json(attempt, job, page_url) for attempt in attempts]
    return answer


def task_json(attempt: Attempt, job: Job | None, page_url: str) -> dict[str, Any]:
    """An attempt, as an item of `tasks`."""
    declared = (job.settings.get("tasks") if job else None) or []
    settings: dict[str, Any] = next((task for task in declared if task.get("task_key") == attempt.task_key), {})
    now = now_ms()
    return {
        **settings,
        "task_key": attempt.task_key,
        "run_id": attempt.attempt_id,
        "attempt_number": attempt.number,
        "run_page_url": page_url,
        "start_time": attempt.created,
        "end_time": attempt.ended or 0,
        "setup_duration": (attempt.called - attempt.created) if attempt.called else 0,
        "execution_duration": ((attempt.returned or now) - attempt.called) if attempt.called else 0,
        "cleanup_duration": 0,
        "state": _state(attempt.state, attempt.result, attempt.message, attempt.code),
        "status": _status(attempt.state, attempt.message, attempt.code),
    }


def job_json(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "creator_user_name": CREATOR,
        "run_as_user_name": CREATOR,
        "created_time": 0,
        "settings": dict(job.settings),
    }


def _span(attempts: list[Attempt]) -> tuple[int | None, int | None]:
    """When the first attempt was called, and when the last one returned (None while one is running)."""
    called = [attempt.called for attempt in attempts if attempt.called]
    ended = [attempt.returned or attempt.ended for attempt in attempts]
    returned = None if any(end is None for end in ended) else max((end for end in ended if end), default=None)
    return (min(called) if called else None), returned


def _state(state: str, result: str | None, message: str, code: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "life_cycle_state": state,
        "state_message": message,
        "user_cancelled_or_timedout": code in ("USER_CANCELED", "CANCELED"),
    }
    if result:
        answer["result_state"] = result
    return answer


def _status(state: str, message: str, code: str | None) -> dict[str, Any]:
    """`status` has no INTERNAL_ERROR and no SKIPPED state; it reports both as TERMINATED."""
    if state not in ("TERMINATED", "INTERNAL_ERROR", "SKIPPED"):
        return {"state": state}
    kind = code if code in ("SUCCESS", "INTERNAL_ERROR") else "CLIENT_ERROR"
    details = {"code": code, "type": kind, "message": message}
    return {"state": "TERMINATED", "termination_details": details}


def _parameters(run: Run, job: Job | None) -> list[dict[str, str]]:
    defaults = job.parameters if job else {}
    return [{"name": name, "default": defaults.get(name, ""), "value": value} for name, value in run.parameters.items()]
