"""One run: what its steps work with, and what it has done so far."""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.violations import shorten
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import Explained, IngestSettings
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOWN_PROBLEMS = 5
_log = logging.getLogger(__name__)


class FilesFailed(Explained):
    """Some files failed; the others are done. ``entries``: log lines written. The message names the files."""

    def __init__(self, problems: Iterable[str], entries: Sequence[LogEntry]) -> None:
        problems = list(problems)
        more = len(problems) - SHOWN_PROBLEMS
        shown = [*problems[:SHOWN_PROBLEMS], *([f"and {more} more, see the run's log"] if more > 0 else [])]
        super().__init__("; ".join(shown))
        self.entries = list(entries)


@dataclass
class Run:
    """A run's work on one feed.

    ``entries``: log lines written so far. ``failures``: batches that failed in a row. ``problems``: what the run reports at
    its end, by file. ``groups``: parts of a batch that failed, to be retried next. ``target_version``: what the target had
    after this run's last merge, if there was one.

    An operator's command is a run as well: it uses the same steps.
    """

    settings: IngestSettings
    deps: Dependencies
    spark: SparkSession
    entries: list[LogEntry] = field(default_factory=list)
    failures: int = 0
    problems: dict[FileId, str] = field(default_factory=dict)
    groups: deque[list[FileId]] = field(default_factory=deque)
    target_version: int | None = None
    batches: int = 0

    def __post_init__(self) -> None:
        self.id = f"{self.deps.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self.tables = Tables.of(self.settings)

    def next_batch_id(self) -> str:
        self.batches += 1
        return f"{self.id}-{self.batches}"

    def problem(self, file: FileId, what: str) -> None:
        self.problems[file] = f"{shorten(str(file))}: {shorten(what)}"


@contextmanager
def timed(step: str, deps: Dependencies) -> Iterator[dict[str, int]]:
    """One line per step: ``step=merge seconds=1.234 …``, for operators and for `make bench-latency`. None for a step that
    found no files: a continuous run lists them every two seconds."""
    fields: dict[str, int] = {}
    started = deps.elapsed()
    yield fields
    if fields.get("files") == 0:
        return
    more = "".join(f" {name}={number}" for name, number in fields.items())
    _log.info("step=%s seconds=%.3f%s", step, deps.elapsed() - started, more)
