"""Lost and late events and killed processes: the sweep and the next start lead to the same result.

One stack for the module; the tests follow each other on the same tables.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.reading import HEADER, RUN_SECONDS, line, log_lines, newest_of, runs, send, settle, table, target
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.e2e

FIRST = HEADER + b"".join(line(f"K{n}", "pending", "2026-01-26 10:00:00") for n in range(2000))
SECOND = HEADER + b"".join(line(f"K{n}", "shipped", "2026-01-27 10:00:00") for n in range(1000, 2500))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    stack = RunningStack(tmp_path_factory.mktemp("stack"), "--sweep-every=2", "--sweep-grace=3")
    yield stack.start()
    stack.stop()
    stack.assert_nothing_left()


def java_of_a_run(stack: RunningStack) -> list[int]:
    """Spark's virtual machines (the Pub/Sub emulator is one that isn't Spark's)."""
    return [pid for pid, text in stack.processes().items() if "SparkSubmit" in text]


def test_killed_with_9_in_the_middle_of_a_run_the_next_start_finishes_it(stack: RunningStack) -> None:
    first, second = (
        send(stack, f"order_tracking_2026_01_{day}.csv", content) for day, content in [(26, FIRST), (27, SECOND)]
    )
    until(lambda: table(stack, "orders_attempts", "file_id"), "the run has taken the files", RUN_SECONDS)
    assert java_of_a_run(stack)

    stack.signal(signal.SIGKILL)
    stack.wait()
    stack.assert_nothing_left()  # not even Spark
    stack.start()
    settle(stack)

    assert target(stack) == newest_of(FIRST, SECOND)
    assert {file: one["outcome"] for file, one in log_lines(stack).items()} == {
        first.file_id: "merged",
        second.file_id: "merged",
    }
    assert len(stack.names("archive/")) == 2
    assert len(table(stack, "orders_attempts", "file_id")) == 4  # each file was taken again


def test_a_function_that_was_killed_judges_again_after_a_restart(stack: RunningStack) -> None:
    """Its death ends the stack, with the event still undelivered; the next `up` delivers it."""
    stack.set_events(delay_seconds=1)
    broken = send(stack, "order_tracking_2026_01_24.csv", b"not,what\nwas,agreed\n")
    for pid, text in stack.processes().items():
        if "on_object_finalized" in text and "infra.local.services.guard" not in text:
            os.kill(pid, signal.SIGKILL)
    assert stack.wait() == 1
    before = len(stack.start().names("archive/"))
    settle(stack)

    assert f"rejected/order_tracking_2026_01_24.csv.{broken.generation}" in stack.names("rejected/")
    assert len(stack.names("archive/")) == before


def test_stopping_and_starting_again_keeps_tables_bucket_and_runs(stack: RunningStack) -> None:
    before = (target(stack), sorted(stack.names()), [run.run_id for run in runs(stack)])

    stack.signal(signal.SIGTERM)
    assert stack.wait() == 0
    stack.assert_nothing_left()
    stack.start()

    assert (target(stack), sorted(stack.names()), [run.run_id for run in runs(stack)]) == before
