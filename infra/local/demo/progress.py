"""What happens between an upload and its end, told while it happens: the function's decisions and the runs' states."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from infra.local.services.stack import Stack
from infra.local.uploads import PREFIX

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import BaseRun
    from google.cloud import storage

POLL_SECONDS = 0.4
_COLOURS = {"upload": "cyan", "function": "magenta", "sweep": "magenta", "run": "blue", "demo": "green"}


class NotSettled(Exception):
    """What was uploaded did not come to its end in time; the message says what is missing and where to look."""


class ProgressReporter:
    """One line per happening, with the seconds since the start; a terminal also sees what is being waited for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self.waiting = console.status("")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def say(self, who: str, text: str) -> None:
        # As plain text, not mark-up: names are other people's, and they may have square brackets.
        words = ((f"{self.seconds:6.1f} s  ", "dim"), (f"{who:<8}  ", _COLOURS.get(who, "white")), text)
        self._console.print(Text.assemble(*words), soft_wrap=True, highlight=False)


class LogFollower:
    """The function's JSON lines since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def news(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return  # half written: the next look has it whole
                self._offset += len(line)
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if isinstance(said, dict) and "message" in said:
                    yield said


class Progress:
    """Watches a running stack until nothing is under way any more."""

    def __init__(self, stack: Stack, client: storage.Client, reporter: ProgressReporter) -> None:
        from databricks.sdk import WorkspaceClient

        self._stack = stack
        self._client = client
        self._reporter = reporter
        self._workspace = WorkspaceClient(host=stack.addresses.jobs, token="local")  # noqa: S106 - not a secret
        self._followers = {name: LogFollower(stack.folder.logs / f"{name}.log") for name in ("function", "sweep")}
        self._states: dict[int, str] = {}
        self._failed = 0

    def wait_until_settled(self, seconds: float) -> None:
        """Until source/ is empty, no event is on its way and no run is active. Raises NotSettled, ServerFailed."""
        deadline = time.monotonic() + seconds
        with self._reporter.waiting:
            while True:
                self._stack.check()
                left = self._tell_news()
                if not left:
                    return
                if self._stack.stopping.is_set():
                    raise KeyboardInterrupt
                if time.monotonic() > deadline:
                    raise NotSettled(f"after {seconds:.0f} s still {left}; look into {self._stack.folder.logs}")
                self._reporter.waiting.update(f"waiting: {left}")
                time.sleep(POLL_SECONDS)

    def _tell_news(self) -> str:
        """What is still under way, in words; empty when nothing is."""
        # In this order: an event leaves its queue after its run was launched, a file leaves source/ within its run.
        events = self._events_under_way()
        in_source = [blob.name for blob in self._client.list_blobs(self._stack.addresses.bucket, prefix=PREFIX)]
        active = self._tell_runs()
        self._tell_decisions()
        parts = [f"{events} events on their way"] if events else []
        parts += [f"{len(in_source)} files in {PREFIX}"] if in_source else []
        parts += [f"run {run}: {self._states[run]}" for run in active]
        return ", ".join(parts)

    def _events_under_way(self) -> int:
        with urllib.request.urlopen(f"{self._stack.addresses.storage}/_local/events", timeout=10) as answer:  # noqa: S310
            status = json.load(answer)
        return int(status["pending"])

    def _tell_runs(self) -> list[int]:
        active = []
        for run in sorted(self._workspace.jobs.list_runs(job_id=self._stack.addresses.job_id), key=lambda r: r.run_id or 0):
            number, state = run.run_id or 0, _state(run)
            if state != self._states.get(number):
                self._states[number] = state
                self._reporter.say("run", f"{number} {state}")
                self._look_at_failure(run)
            if not state.startswith("TERMINATED"):
                active.append(number)
        return active

    def _look_at_failure(self, run: BaseRun) -> None:
        """One failed run is mended by the sweep; a second one means that something is wrong. Raises NotSettled then."""
        result = run.state.result_state if run.state else None
        if result is None or result.value == "SUCCESS":
            return
        tasks = self._workspace.jobs.get_run(run.run_id or 0).tasks or []
        output = self._workspace.jobs.get_run_output(tasks[-1].run_id or 0) if tasks else None
        error = ((output.error if output else None) or "no error was told").partition("\n")[0]
        self._failed += 1
        self._reporter.say("run", f"{run.run_id} failed: {error}; its page while the stack is up: {run.run_page_url}")
        if self._failed > 1:
            raise NotSettled(
                f"{self._failed} runs failed, the last one with: {error}; logs: {self._stack.folder.jobs}/runs"
            )

    def _tell_decisions(self) -> None:
        ours = f"{self._stack.addresses.bucket}/{PREFIX}"
        for name, follower in self._followers.items():
            for line in follower.news():
                # Moving a file to its new place is an upload there, too; the function ignores it, and so do we.
                elsewhere = "file" in line and not str(line["file"]).startswith(ours)
                if not elsewhere and (name == "function" or line.get("severity") != "INFO"):
                    self._reporter.say(name, _decision(line))


def _state(run: BaseRun) -> str:
    status = run.status
    if status is None or status.state is None:
        return "unknown"
    if status.termination_details is None or status.termination_details.code is None:
        return status.state.value
    seconds = ((run.end_time or 0) - (run.start_time or 0)) / 1000
    return f"{status.state.value} {status.termination_details.code.value} after {seconds:.0f} s"


def _decision(line: dict[str, Any]) -> str:
    name = str(line.get("file", "")).rpartition("#")[0].rpartition("/")[2]
    counts = f" ({line['rows']:,} rows, {line['bad_rows']:,} bad)" if "bad_rows" in line else ""
    message = str(line["message"]).partition("\n")[0]  # a trace is for the log
    return f"{name}: {message}{counts}" if name else message
