"""A step that fails because something new is not known everywhere yet is tried again; any other failure is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.deploy import shell
from infra.deploy.shell import CommandFailed, run, run_with_retries

# As users reported them, next to what Terraform puts around them.
TRANSIENT = [
    "Error: Error creating function: googleapi: Error 400: Validation failed for trigger projects/p/locations/l/triggers/t:"
    ' Invalid resource state for "": Permission denied while using the Eventarc Service Agent. If you recently started to '
    "use Eventarc, it may take a few minutes before all necessary permissions are propagated to the Service Agent.",
    "Error: Error creating AlertPolicy: googleapi: Error 404: Cannot find metric(s) that match type = "
    '"logging.googleapis.com/user/x". If a metric was created recently, it could take up to 10 minutes to be available.',
    'Error 404: Cannot find metric that matches type = "logging.googleapis.com/user/x".',
    "Error 403: Cloud Pub/Sub API has not been used in project 1 before or it is disabled. Enable it by visiting https://x"
    " then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems.",
    "Error 400: Service account service-1@gcp-sa-pubsub.iam.gserviceaccount.com does not exist., badRequest",
    "x@y.iam.gserviceaccount.com does not have storage.buckets.get access to the Google Cloud Storage bucket.",
    "Error: cannot create mws permission assignment: Principal 123 not in workspace 456",
    "Error: cannot create permissions: Principal: ServicePrincipalName(0-1) does not exist",
]


@pytest.fixture(autouse=True)
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited."""
    waited: list[float] = []
    monkeypatch.setattr(shell.time, "sleep", waited.append)
    return waited


def failing(folder: Path, message: str, times: int) -> list[str]:
    """A command that fails this many times with that message, and then succeeds."""
    program = folder / "program.py"
    program.write_text(
        "import pathlib, sys\n"
        f"count = pathlib.Path({str(folder / 'count')!r})\n"
        "done = int(count.read_text()) if count.exists() else 0\n"
        "count.write_text(str(done + 1))\n"
        f"sys.exit({message!r} if done < {times} else 0)\n"
    )
    return [sys.executable, str(program)]


def attempts(folder: Path) -> int:
    return int((folder / "count").read_text())


@pytest.mark.parametrize("message", TRANSIENT, ids=lambda text: text[:60])
def test_a_delay_of_the_clouds_is_waited_for(
    tmp_path: Path, delays: list[float], capfd: pytest.CaptureFixture[str], message: str
) -> None:
    run_with_retries(*failing(tmp_path, message, times=2))
    assert attempts(tmp_path) == 3
    assert delays == [30, 60]
    shown = capfd.readouterr().err
    assert message in shown
    assert "is normal in a first deployment" in shown
    assert "Trying again in 30 s" in shown


def test_waiting_ends(tmp_path: Path, delays: list[float]) -> None:
    with pytest.raises(CommandFailed, match="failed with status 1"):
        run_with_retries(*failing(tmp_path, TRANSIENT[0], times=100))
    assert attempts(tmp_path) == len(delays) + 1
    assert 600 <= sum(delays) <= 900, "as long as Google announces for metrics, and not for hours"


@pytest.mark.parametrize(
    "message",
    ["Error 403: Permission 'iam.roles.create' denied", "Error: Invalid value for variable", "Error 409: already exists"],
)
def test_other_errors_are_not_waited_for(tmp_path: Path, delays: list[float], message: str) -> None:
    with pytest.raises(CommandFailed):
        run_with_retries(*failing(tmp_path, message, times=1))
    assert attempts(tmp_path) == 1
    assert not delays


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
@pytest.mark.parametrize("message", [TRANSIENT[0], TRANSIENT[3]], ids=["eventarc", "api"])
def test_terraforms_frames_and_line_breaks_do_not_hide_a_message(
    tmp_path: Path, delays: list[float], capfd: pytest.CaptureFixture[str], message: str
) -> None:
    """Terraform breaks lines in the middle of messages and draws a frame around them."""
    text = message.replace('"', '\\"')
    (tmp_path / "main.tf").write_text(
        'variable "works" {\n  default = false\n}\n'
        'resource "terraform_data" "x" {\n  lifecycle {\n    precondition {\n'
        f'      condition     = var.works\n      error_message = "{text}"\n    }}\n  }}\n}}\n'
    )
    environment = {"TF_CLI_CONFIG_FILE": "/dev/null", "TF_DATA_DIR": str(tmp_path / ".terraform")}
    subprocess.run(["terraform", "init"], cwd=tmp_path, env={"PATH": "/usr/local/bin:/usr/bin:/bin"}, check=True)
    capfd.readouterr()
    with pytest.raises(CommandFailed):
        run_with_retries("terraform", "apply", "-input=false", "-auto-approve", cwd=tmp_path, env=environment)
    shown = capfd.readouterr().err
    assert message not in shown, "this test shows nothing if Terraform prints the message as it is"
    assert len(delays) == len(shell.RETRY_DELAYS_SECONDS)


def test_characters_that_are_split_between_two_reads_stay_whole(capfd: pytest.CaptureFixture[str]) -> None:
    program = "import sys; sys.stderr.buffer.write(chr(0x2502).encode() * 20_001)"
    run_with_retries(sys.executable, "-c", program)
    assert capfd.readouterr().err.count("│") == 20_001


def test_a_command_is_shown_as_it_can_be_repeated(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    run("sh", "-c", "pwd; echo $GIVEN", cwd=folder, env={"GIVEN": "a; b"})
    output, shown = capfd.readouterr()
    command = next(line for line in shown.splitlines() if line.startswith("+ ")).removeprefix("+ ")
    assert subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout == output


def test_only_accepted_statuses_are_returned() -> None:
    assert run("sh", "-c", "exit 2", accepted=(0, 2)) == 2
    with pytest.raises(CommandFailed, match="failed with status 1"):
        run("sh", "-c", "exit 1", accepted=(0, 2))


def test_a_missing_program_is_named() -> None:
    for start in (run, run_with_retries, shell.ask):
        with pytest.raises(CommandFailed, match="no-such-program is not installed"):
            start("no-such-program")
