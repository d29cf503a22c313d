"""`python -m infra.local up` as a real process: it starts, is found, stops and dies. No job run is started here."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.services.process import ServerFailed
from tests.running_stack import ROOT, RunningStack, until

pytestmark = pytest.mark.servers


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    stack = RunningStack(tmp_path / "data")
    yield stack
    stack.stop()
    stack.assert_nothing_left()


def guarded(stack: RunningStack, word: str) -> int:
    """The pid of the server (not of its guard) whose command line contains this word."""
    return next(pid for pid, line in stack.processes().items() if word in line and "infra.local.services.guard" not in line)


def test_the_ready_line_names_the_addresses_and_status_shows_them(shared_stack: RunningStack) -> None:
    stack = shared_stack
    words = stack.process.ready_line.split()
    assert words[0] == "ready"
    assert words[1] == stack.addresses.storage
    assert f"bucket={stack.addresses.bucket}" in words
    assert "changes=none" in words
    shown = stack.command("status", "-o", "json")
    assert shown.returncode == 0
    assert json.loads(shown.stdout)["storage"] == stack.addresses.storage
    assert stack.bucket.exists()


def test_a_second_signal_ends_it_at_once(stack: RunningStack) -> None:
    stack.start()
    os.kill(guarded(stack, "functions_framework"), signal.SIGSTOP)  # this one can't stop cleanly

    stack.signal(signal.SIGINT)
    until(lambda: "stopping" in stack.process.tail(), "it has started to stop")
    stack.signal(signal.SIGINT)

    assert stack.wait(5) == 128 + signal.SIGINT
    stack.assert_nothing_left(5)


def test_a_second_up_on_the_same_folder_says_already_running_and_does_not_disturb_the_first(
    shared_stack: RunningStack,
) -> None:
    stack = shared_stack
    second = stack.command("up", "--storage-port=0")

    assert second.returncode == 1
    assert f"already running on {stack.folder.root}" in second.stderr
    assert stack.addresses.storage in second.stderr
    assert stack.bucket.exists()


def test_after_kill_9_the_next_up_continues_with_the_data_and_a_signal_leaves_no_process(stack: RunningStack) -> None:
    """SIGTERM; the first signal of another test is Ctrl-C's."""
    stack.start()
    stack.bucket.blob("kept/one.txt").upload_from_string(b"kept")

    stack.signal(signal.SIGKILL)
    stack.wait()
    stack.start()  # immediately: it waits for the servers that are still ending

    assert stack.bucket.blob("kept/one.txt").download_as_bytes() == b"kept"
    guards = [line for line in stack.processes().values() if "infra.local.services.guard" in line]
    assert all(f"--parent={stack.process.pid}" in line for line in guards)
    assert len(stack.processes()) > 8  # up, guards, servers

    stack.signal(signal.SIGTERM)

    assert stack.wait() == 0
    assert stack.processes() == {}
    assert stack.command("status").returncode == 1


def test_a_server_that_dies_ends_the_stack_which_shows_its_last_log_lines(stack: RunningStack) -> None:
    stack.start()
    os.kill(guarded(stack, "infra.local.storage"), signal.SIGKILL)

    assert stack.wait() == 1
    assert "error: storage ended unexpectedly" in stack.process.tail()
    assert "storage.log" in stack.process.tail()
    stack.assert_nothing_left()


def test_a_failed_start_names_the_server_and_removes_what_was_started(stack: RunningStack) -> None:
    stack.folder.root.mkdir()
    stack.folder.storage.write_text("a file where the storage server expects a folder")

    with pytest.raises(ServerFailed, match=r"(?s)error: storage failed to start.*storage\.log"):
        stack.start()

    stack.assert_nothing_left()


def test_a_taken_storage_port_fails_before_anything_is_started(stack: RunningStack) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        tried = stack.command("up", f"--storage-port={port}")

    assert tried.returncode == 1
    assert f"port {port} is in use" in tried.stderr
    assert "--storage-port" in tried.stderr
    assert not stack.folder.storage.exists()


def test_a_missing_java_is_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infra.local", "up", f"--data-dir={tmp_path}", "--storage-port=0"]
    environment = os.environ | {"JAVA_HOME": str(tmp_path / "nowhere")}

    tried = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert tried.returncode == 1
    assert "Traceback" not in tried.stderr
    assert tried.stderr.splitlines()[-1].startswith("error: JAVA_HOME is ")
