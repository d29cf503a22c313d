"""What an answer lacks because a service could not be asked: one sentence that says what, why and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from spark_jobs.cloud.ports import AccessRefused, FailedRun, FileRefused, Job, NoLogin, TransientError

LOGIN = "gcloud auth application-default login"
STORAGE_RETRY_SECONDS = 5.0
"""For commands whose reader waits for the answer, which says what it lacks."""
_LONGEST_ERROR = 200


def without_bucket(what: str, bucket: str, error: TransientError | FileRefused) -> str:
    """The sentence if the bucket can't be read."""
    match error:
        case NoLogin():
            return f"missing: {what}, because this machine has no valid Google login: run `{LOGIN}`"
        case AccessRefused():
            return (
                f"missing: {what}, because the Google login may not read bucket {bucket}: ask for the role "
                f"roles/storage.objectViewer, or run `{LOGIN}` as someone who has it"
            )
    return f"missing: {what}, because bucket {bucket} can't be read ({_line(error)}): check its name and the network"


def without_job(what: str, error: TransientError) -> str:
    """The sentence if the job's runs can't be read."""
    hint = "check --job-id, or run `databricks auth login`"
    return f"missing: {what}, because the job's runs can't be read ({_line(error)}): {hint}"


def failed_runs_of(job: Job | None, missing: list[str]) -> Callable[[datetime], Sequence[FailedRun]] | None:
    """``job.failed_runs``; if they can't be read, none, and ``missing`` has a sentence more."""
    if job is None:
        return None

    def failed_runs(since: datetime) -> Sequence[FailedRun]:
        try:
            return job.failed_runs(since)
        except TransientError as error:
            sentence = without_job("the last errors of parked files", error)
            if sentence not in missing:
                missing.append(sentence)
            return []

    return failed_runs


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_ERROR else text[: _LONGEST_ERROR - 1] + "…"
