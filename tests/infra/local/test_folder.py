"""The data folder belongs to one running stack at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.folder import Addresses, AlreadyRunning, NotAStackFolder, StackFolder

ROOT = Path(__file__).resolve().parents[3]
ADDRESSES = Addresses(
    pid=1,
    bucket="orders-data",
    storage="http://127.0.0.1:1",
    jobs="http://127.0.0.1:2",
    job_id=3,
    function="http://127.0.0.1:4",
    sweep_function="http://127.0.0.1:5",
    console="http://127.0.0.1:6",
    pubsub=None,
    outcome_topic=None,
    outcome_subscription=None,
    changes_topic=None,
    warehouse="w",
    logs="l",
)


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    return StackFolder(tmp_path / "data")


def test_a_second_stack_is_refused_with_the_address_of_the_first(folder: StackFolder) -> None:
    with folder.taken():
        folder.publish(ADDRESSES)
        with (
            pytest.raises(AlreadyRunning, match=r"already running on .*process 1, storage at http://127.0.0.1:1"),
            folder.taken(),
        ):
            pass


def test_the_addresses_are_found_only_while_the_stack_runs(folder: StackFolder) -> None:
    assert folder.running() is None
    with folder.taken():
        assert folder.running() is None  # still starting
        folder.publish(ADDRESSES)
        assert folder.running() == ADDRESSES
    assert folder.running() is None


def test_a_killed_stacks_folder_is_free_and_its_addresses_are_void(folder: StackFolder) -> None:
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom infra.local.folder import StackFolder\n"
        "with StackFolder(Path(sys.argv[1])).taken(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, folder.root], cwd=ROOT, check=False)
    folder.publish(ADDRESSES)  # left behind by the killed stack

    assert folder.running() is None
    with folder.taken():
        assert folder.running() is None


def test_it_waits_for_servers_of_a_killed_stack_to_end(folder: StackFolder) -> None:
    folder.root.mkdir()
    script = (
        "import fcntl, os, sys, time\nlock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(lock, fcntl.LOCK_SH)\nprint('held', flush=True)\nsys.stdin.read()"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", script, folder.children_lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout and server.stdout.readline() == "held\n"
    starter = subprocess.Popen(
        [sys.executable, "-c", TAKER, folder.root], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert starter.stdout
    assert starter.stdout.readline() == "starting\n"
    with pytest.raises(subprocess.TimeoutExpired):  # it does not start next to them
        starter.wait(0.7)
    assert server.stdin
    server.stdin.close()
    assert starter.stdout.readline() == "taken\n"
    starter.wait(20)
    server.wait(20)


TAKER = """
import sys
from pathlib import Path
from infra.local.folder import StackFolder
print("starting", flush=True)
with StackFolder(Path(sys.argv[1])).taken():
    print("taken", flush=True)
"""


def test_wiping_deletes_the_data_and_keeps_the_lock(folder: StackFolder) -> None:
    with folder.taken():
        for place in (folder.storage, folder.jobs, folder.warehouse):
            place.mkdir()
            (place / "something").write_text("x")
        folder.wipe()

        assert not folder.warehouse.exists()
        assert folder.logs.is_dir()
        with pytest.raises(AlreadyRunning), folder.taken():
            pass


def test_a_folder_with_foreign_files_is_not_wiped(folder: StackFolder) -> None:
    folder.root.mkdir()
    (folder.root / "thesis.doc").write_text("years of work")
    with folder.taken():
        folder.storage.mkdir()
        with pytest.raises(NotAStackFolder, match=r"thesis\.doc"):
            folder.wipe()

    assert (folder.root / "thesis.doc").exists()
    assert folder.storage.exists()
