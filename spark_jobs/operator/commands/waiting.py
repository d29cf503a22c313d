"""What `--wait` does: wait until files have left the source folder and show progress on stderr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

from spark_jobs.operator.backlog import BacklogFile, wait_for
from spark_jobs.operator.console import wait_progress
from spark_jobs.settings import BucketLayout

if TYPE_CHECKING:
    from spark_jobs.contract.file_ids import FileId
    from spark_jobs.dependencies import Dependencies


def wait(files: Collection[FileId], layout: BucketLayout, deps: Dependencies, timeout: float) -> None:
    """Return when all files have left the source folder. Raises WaitTimeout."""
    with wait_progress(len(files)) as show:

        def on_look(left: list[BacklogFile]) -> None:
            states = ", ".join(f"{count} {state}" for state, count in Counter(file.state for file in left).items())
            show(len(files) - len(left), f"left {layout.source_prefix}" + (f", {states}" if states else ""))

        wait_for(files, deps, layout, timeout, on_look)
