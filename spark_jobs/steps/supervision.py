"""Streaming queries beside a continuous run: started again when they fail, and never waited for by the ingestion."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from spark_jobs.contract.violations import shorten

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
STOP_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Query(Protocol):
    """What is used of PySpark's StreamingQuery."""

    def awaitTermination(self) -> object:
        """Returns when the query was stopped; raises what it failed with."""

    def stop(self) -> None: ...


Beside = Mapping[str, Callable[["SparkSession"], Query]]
"""By name: starts the query and returns at once."""


@contextmanager
def running_beside(queries: Beside, spark: SparkSession) -> Iterator[None]:
    """Keeps the queries running within the block, each supervised by a thread of its own."""
    with ExitStack() as stack:
        for name, start in queries.items():
            supervised = Supervised(name, lambda start=start: start(spark))  # type: ignore[misc]
            supervised.begin()
            stack.callback(supervised.end)
        yield


class Supervised:
    """One query. If it fails, or ends without being asked to, it is started again after a pause; the pauses grow while no
    start lasts longer than the pause before it."""

    def __init__(self, name: str, start: Callable[[], Query]) -> None:
        self._name, self._start = name, start
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._query: Query | None = None
        self._thread = threading.Thread(target=self._run, name=f"beside {name}", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Stop the query. What it did not finish, its next start does."""
        with self._lock:
            self._ending.set()
            query, self._query = self._query, None
        try:
            if query:
                query.stop()
        except Exception as error:  # noqa: BLE001 - the ingestion has ended well, whatever becomes of the query
            _log.warning("step=%s could not be stopped: %s", self._name, shorten(str(error)))
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._ending.is_set():
            started = time.monotonic()
            try:
                query = self._start()
                with self._lock:
                    if not self._ending.is_set():
                        self._query = query
                if self._query is None:
                    query.stop()
                    return
                _log.info("step=%s started", self._name)
                query.awaitTermination()
                why = "it ended"
            except Exception as error:  # noqa: BLE001 - a query that fails must not reach the ingestion
                why = f"{type(error).__name__}: {shorten(str(error))}"
            if self._ending.is_set():
                return
            if time.monotonic() - started > pause:
                pause = FIRST_PAUSE_SECONDS
            _log.error("step=%s failed and starts again in %.0f s: %s", self._name, pause, why)
            self._ending.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
