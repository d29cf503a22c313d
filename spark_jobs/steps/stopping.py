"""A request to stop: the first signal lets the current batch finish, the second one forces."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


class StopRequest:
    """Set by SIGTERM, Ctrl-C or another thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Returns after that time, or at once when a stop is requested."""
        self._event.wait(seconds)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Signals within the block request the stop. Open the Spark session before: PySpark handles Ctrl-C by canceling
        all Spark jobs."""
        if threading.current_thread() is not threading.main_thread():
            # Python handles signals in the main thread only. A kill then ends the run, as it ends any other.
            _log.warning("step=run signals can't be handled in this thread: a cancellation ends the run between two steps")
            yield
            return
        before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.requested:
            raise KeyboardInterrupt(f"{name} again")
        _log.info("step=run %s: finishing the current batch; again to stop at once", name)
        self.request()
