"""ServerProcess waits until a child is ready, shows why it failed, and leaves no process behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from infra.local.services.process import ServerFailed, ServerProcess


def shell(script: str, **options: object) -> ServerProcess:
    return ServerProcess(["sh", "-c", script], **options)  # type: ignore[arg-type]


def test_it_waits_for_the_ready_line_and_ends_the_whole_process_group(tmp_path: Path) -> None:
    with shell("echo hello; sleep 60 & echo ready http://127.0.0.1:1 $!; wait") as server:
        assert server.url == "http://127.0.0.1:1"
        grandchild = int(server.ready_line.split()[-1])
        os.kill(grandchild, 0)
    assert not server.running()
    deadline = time.monotonic() + 2
    while Path(f"/proc/{grandchild}").exists() and "Z" not in Path(f"/proc/{grandchild}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline


def test_the_error_contains_the_last_lines_of_a_child_that_dies() -> None:
    with pytest.raises(ServerFailed, match="status 3:\nthe port is in use"):
        shell("echo the port is in use >&2; exit 3").start()


def test_a_child_that_is_never_ready_is_stopped() -> None:
    server = shell("echo waiting for something; sleep 60", ready_timeout=0.3)
    with pytest.raises(ServerFailed, match=r"not ready in 0\.3 s:\nwaiting for something"):
        server.start()
    assert not server.running()


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ServerFailed, match="no-such-program"):
        ServerProcess(["no-such-program"]).start()


def test_a_child_that_ignores_term_is_killed() -> None:
    server = shell("trap '' TERM; echo ready; while :; do sleep 0.1; done", stop_timeout=0.3).start()
    assert server.stop() == -9


def test_it_passes_the_environment_writes_the_log_and_can_restart(tmp_path: Path) -> None:
    server = shell("echo $WORD; echo ready", env={"WORD": "hello"}, log_file=tmp_path / "log")
    for _ in range(2):
        with server:
            pass
    assert (tmp_path / "log").read_text() == "hello\nready\n" * 2
