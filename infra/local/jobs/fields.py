"""Validate the fields of a request, and split a response into pages."""

from __future__ import annotations

from typing import Any

from infra.local.jobs.answers import ApiError, invalid
from infra.local.jobs.job import Job

# Task-level parameters. The platform rejects them if the job declares job parameters.
LEGACY = (
    "jar_params",
    "notebook_params",
    "python_params",
    "python_named_params",
    "spark_submit_params",
    "sql_params",
    "dbt_commands",
    "pipeline_params",
)


def job_parameters(job: Job, fields: dict[str, Any]) -> dict[str, str]:
    legacy = [name for name in LEGACY if fields.get(name)]
    if legacy:
        raise invalid(f"{legacy[0]} cannot be used: the job declares job parameters, use job_parameters.")
    given = fields.get("job_parameters") or {}
    if not isinstance(given, dict):
        raise ApiError(400, "MALFORMED_REQUEST", "Could not parse request object: job_parameters is not an object")
    undeclared = sorted(set(given) - set(job.parameters))
    if undeclared:
        raise invalid(
            f"Job parameters {', '.join(undeclared)} are not defined in job {job.job_id}"
            f" (defined: {', '.join(job.parameters)})."
        )
    wrong = [name for name, value in given.items() if not isinstance(value, str)]
    if wrong:
        raise ApiError(400, "MALFORMED_REQUEST", f"Expected a string for job parameter {wrong[0]}")
    return dict(given)


def number(fields: dict[str, Any], name: str, default: Any = ...) -> Any:
    value = fields.get(name)
    if value is None or value == "":
        if default is ...:
            raise invalid(f"Missing required field: {name}")
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise invalid(f"Invalid value for {name}: {value!r} is not a number.") from None


def page_offset(fields: dict[str, Any]) -> int:
    """Page tokens are offsets."""
    token = fields.get("page_token")
    if not token:
        return max(0, int(number(fields, "offset", 0)))
    if not str(token).isdigit():
        raise invalid(f"Invalid page token {token}")
    return int(token)


def paged(name: str, items: list[dict[str, Any]], offset: int, limit: int, more: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"has_more": more}
    if items:  # as on the platform: no field if nothing was found
        answer[name] = items
    if more:
        answer["next_page_token"] = str(offset + limit)
    if offset:
        answer["prev_page_token"] = str(max(0, offset - limit))
    return answer
