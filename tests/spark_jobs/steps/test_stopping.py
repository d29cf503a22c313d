"""The first signal lets the current batch finish, the second one forces."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from spark_jobs.steps.stopping import SIGNALS, StopRequest


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_requests_the_stop_and_the_second_one_forces(number: signal.Signals) -> None:
    stop = StopRequest()
    before = signal.getsignal(number)
    with stop.on_signals():
        assert not stop.requested
        os.kill(os.getpid(), number)
        stop.wait(60)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
            time.sleep(60)
    assert signal.getsignal(number) == before


def test_a_wait_ends_when_the_stop_is_requested() -> None:
    stop = StopRequest()
    started = time.monotonic()
    threading.Timer(0.05, stop.request).start()
    stop.wait(60)
    assert time.monotonic() - started < 30


def test_in_another_thread_it_only_says_that_signals_are_not_handled(caplog: pytest.LogCaptureFixture) -> None:
    """Some platforms call the entry point there."""
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def body() -> None:
        with StopRequest().on_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [before]
    assert "signals can't be handled" in caplog.text
