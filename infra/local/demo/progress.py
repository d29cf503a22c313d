"""Report progress between an upload and its outcome: the function's decisions and the states of the runs."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from infra.local.services.stack import Stack
from infra.local.uploads import PREFIX

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import BaseRun
    from google.cloud import storage

POLL_SECONDS = 0.4
_COLORS = {"upload": "cyan", "function": "magenta", "sweep": "magenta", "run": "blue", "demo": "green"}


class NotSettled(Exception):
    """Uploads have no outcome in time, or runs fail repeatedly; the message says what is missing and where to look."""


class ProgressReporter:
    """Prints one line per event with the seconds since the start; a terminal also shows what the demo is waiting for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self.waiting = console.status("")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def say(self, who: str, text: str) -> None:
        # As plain text, not markup: file names come from outside and may contain square brackets.
        words = ((f"{self.seconds:6.1f} s  ", "dim"), (f"{who:<8}  ", _COLORS.get(who, "white")), text)
        self._console.print(Text.assemble(*words), soft_wrap=True, highlight=False)


class Progress:
    """Watches a running stack until all uploads have an outcome."""

    def __init__(self, stack: Stack, client: storage.Client, reporter: ProgressReporter) -> None:
        from databricks.sdk import WorkspaceClient

        self._stack = stack
        self._client = client
        self._reporter = reporter
        self._workspace = WorkspaceClient(host=stack.addresses.jobs, token="local")  # noqa: S106 - not a secret
        self._lines_read: Counter[str] = Counter()
        self._states: dict[int, str] = {}

    def wait_until_settled(self, seconds: float) -> None:
        """Wait until source/ is empty, no event is pending and no run is active. Raises NotSettled, ServerFailed."""
        deadline = time.monotonic() + seconds
        with self._reporter.waiting:
            while True:
                self._stack.check()
                pending = self._report_news()
                if not pending:
                    return
                if self._stack.stopping.is_set():
                    raise KeyboardInterrupt
                if time.monotonic() > deadline:
                    raise NotSettled(f"still pending after {seconds:.0f} s: {pending}; see {self._stack.folder.logs}")
                self._reporter.waiting.update(f"waiting: {pending}")
                time.sleep(POLL_SECONDS)

    def _report_news(self) -> str:
        """Report what is new, and return what is still pending as text (empty: nothing)."""
        # The order matters: an event leaves the queue after its run is launched, a file leaves source/ during its run.
        events = self._pending_events()
        in_source = [blob.name for blob in self._client.list_blobs(self._stack.addresses.bucket, prefix=PREFIX)]
        active = self._report_runs()
        self._report_decisions()
        parts = [f"{events} pending events"] if events else []
        parts += [f"{len(in_source)} files in {PREFIX}"] if in_source else []
        parts += [f"run {run}: {self._states[run]}" for run in active]
        return ", ".join(parts)

    def _pending_events(self) -> int:
        with urllib.request.urlopen(f"{self._stack.addresses.storage}/_local/events", timeout=10) as answer:  # noqa: S310
            return int(json.load(answer)["pending"])

    def _report_runs(self) -> list[int]:
        """Report changed states, and return the active runs.

        The sweep recovers from one failed run. A second one means that something is wrong: raises NotSettled.
        """
        runs = {run.run_id or 0: _state(run) for run in self._workspace.jobs.list_runs(job_id=self._stack.addresses.job_id)}
        for number in sorted(runs):
            if runs[number] != self._states.get(number):
                self._reporter.say("run", f"{number} {runs[number]}")
        self._states = runs
        ended = [number for number, state in runs.items() if state.startswith("TERMINATED")]
        failed = [number for number in ended if not runs[number].startswith("TERMINATED SUCCESS")]
        if len(failed) > 1:
            raise NotSettled(f"{len(failed)} runs failed; their logs are in {self._stack.folder.jobs}/runs")
        return sorted(runs.keys() - ended)

    def _report_decisions(self) -> None:
        ours = f"{self._stack.addresses.bucket}/{PREFIX}"
        for name in ("function", "sweep"):
            for line in self._new_log_lines(name):
                # Moving a file also sends an event for its new location; the function ignores it, and so do we.
                elsewhere = "file" in line and not str(line["file"]).startswith(ours)
                if not elsewhere and (name == "function" or line.get("severity") != "INFO"):
                    self._reporter.say(name, _decision(line))

    def _new_log_lines(self, name: str) -> Iterator[dict[str, Any]]:
        """The JSON lines that a server has logged since the last call."""
        *lines, _incomplete = (self._stack.folder.logs / f"{name}.log").read_bytes().split(b"\n")
        new = lines[self._lines_read[name] :]
        self._lines_read[name] = len(lines)
        for line in new:
            with suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and "message" in entry:
                    yield entry


def _state(run: BaseRun) -> str:
    status = run.status
    if status is None or status.state is None:
        return "unknown"
    details = status.termination_details
    if details is None or details.code is None:
        return status.state.value
    seconds = ((run.end_time or 0) - (run.start_time or 0)) / 1000
    reason = (details.message or "").partition("\n")[0]
    return f"{status.state.value} {details.code.value} after {seconds:.0f} s" + (f": {reason}" if reason else "")


def _decision(line: dict[str, Any]) -> str:
    name = str(line.get("file", "")).rpartition("#")[0].rpartition("/")[2]
    counts = f" ({line['rows']:,} rows, {line['bad_rows']:,} bad)" if "bad_rows" in line else ""
    message = str(line["message"]).partition("\n")[0]  # the stack trace is in the log
    return f"{name}: {message}{counts}" if name else message
