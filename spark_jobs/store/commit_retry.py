"""Retries commits that conflict with another writer, with backoff, jitter and a limit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from spark_jobs.cloud.ports import TransientError
from spark_jobs.dependencies import Dependencies

TRIES = 12
LONGEST_PAUSE_SECONDS = 20.0
T = TypeVar("T")
_log = logging.getLogger(__name__)

# Exception classes differ between Delta, Databricks and Connect (which passes on only the text); these words don't.
_CONFLICT = re.compile(
    r"DELTA_CONCURRENT|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED|TRANSACTION_CONFLICT"
    r"|Concurrent(?:Append|Modification|DeleteRead|DeleteDelete|Transaction|Write)Exception"
    r"|(?:MetadataChanged|ProtocolChanged)Exception"
    # Two writers created the same table.
    r"|DELTA_TABLE_ALREADY_EXISTS|TABLE_OR_VIEW_ALREADY_EXISTS"
)


def is_conflict(error: BaseException) -> bool:
    """Whether a commit failed because of another writer's commit, on any platform."""
    seen: BaseException | None = error
    while seen is not None:
        if _CONFLICT.search(f"{type(seen).__name__}: {seen}"):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def commit_with_retry(what: str, deps: Dependencies, commit: Callable[[], T]) -> T:
    """Run something that commits to a table. Raises TransientError if every try conflicts: the files aren't at fault."""

    def log_retry(state: RetryCallState) -> None:
        _log.info("step=%s conflict=%d: another commit came first, retrying", what, state.attempt_number)

    retrying = Retrying(
        retry=retry_if_exception(is_conflict),
        stop=stop_after_attempt(TRIES),
        wait=wait_random_exponential(multiplier=0.25, max=LONGEST_PAUSE_SECONDS),
        sleep=deps.sleep,
        before_sleep=log_retry,
        reraise=True,
    )
    try:
        return retrying(commit)
    except Exception as error:
        if is_conflict(error):
            raise TransientError(f"{what}: all {TRIES} tries conflicted with other writers") from error
        raise
