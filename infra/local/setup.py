"""Makes a clone ready for use, with one line per step. Standard library only.

python -m infra.local.setup        `make setup`; starts with any Python from 3.11 on, and skips what is ready
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - it says so before an older one fails with a stack trace
    sys.exit("error: Python 3.11 or newer is needed; choose one with: make PYTHON=python3.12 ...")

from infra.local.installer import InstallError, install, run_quietly
from spark_jobs.store.java import JavaError, find_java, jar_folder

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
READY = VENV / ".ready"
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
WORTH_A_LINE = 1.0  # seconds; a set-up that finds everything ready says nothing
JAVA_INSTALLERS = {
    "apt-get": ("apt-get update -q", "apt-get install -y -q openjdk-17-jre-headless"),
    "dnf": ("dnf install -y -q java-17-openjdk-headless",),
    "brew": ("brew install --quiet openjdk@17",),
}


class SetupError(Exception):
    """A step failed; the message says why."""


def main() -> None:
    started = time.monotonic()
    try:
        step("Java", ensure_java)
        if not is_current():
            step("virtual environment", make_environment)
            step("packages", install_packages)
        with ThreadPoolExecutor() as pool:
            job = pool.submit(step, "environment of the local job", lambda: run_module("infra.local.jobs.environment"))
            step("jars of Delta and Cloud Storage", lambda: run_module("spark_jobs.store.java"))
            create_class_data()
            job.result()
    except (SetupError, InstallError, JavaError) as error:
        sys.exit(f"error: {error}")
    seconds = time.monotonic() - started
    if seconds > 3 * WORTH_A_LINE:
        say(f"ready in {seconds:.0f} s")


def step(name: str, do: Callable[[], None]) -> None:
    started = time.monotonic()
    do()
    seconds = time.monotonic() - started
    if seconds >= WORTH_A_LINE:
        say(f"{name:32} {seconds:5.1f} s")


def say(line: str) -> None:
    print(f"set-up: {line}", file=sys.stderr, flush=True)


def ensure_java() -> None:
    """Install Java where a package manager can do it unattended. Raises JavaError if there is none in the end."""
    try:
        find_java()
    except JavaError:
        # A JAVA_HOME that is wrong is for its owner to correct: another Java would not be used.
        manager = next((name for name in JAVA_INSTALLERS if shutil.which(name)), None)
        if manager and not os.environ.get("JAVA_HOME") and (rights := rights_for(manager)) is not None:
            say(f"Java is missing; installing it with {manager}")
            for command in JAVA_INSTALLERS[manager]:
                run_quietly([*rights, *command.split()], os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        find_java()


def rights_for(manager: str) -> list[str] | None:
    """What to put before its commands; None if they would need a password."""
    if manager == "brew" or os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n", "DEBIAN_FRONTEND=noninteractive"]
    may = shutil.which("sudo") and not subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode
    return sudo if may else None


def is_current() -> bool:
    return READY.exists() and all(READY.stat().st_mtime >= file.stat().st_mtime for file in REQUIREMENTS)


def make_environment() -> None:
    try:
        import ensurepip  # noqa: F401 - Debian packages it apart
    except ImportError:
        raise SetupError(
            "Python's venv module is missing: install it (Debian, Ubuntu: apt-get install python3-venv)."
        ) from None
    made = run_quietly([sys.executable, "-m", "venv", str(VENV)])
    if made.returncode:
        raise SetupError(f"The virtual environment {VENV} can't be made:\n{made.stdout}")


def install_packages() -> None:
    """With uv, which takes seconds where pip takes minutes; its version is pinned beside the others."""
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run_quietly([*pip, f"--constraint={REQUIREMENTS[1]}", "uv"])  # if it fails, pip does everything
    install(PYTHON, *(f"--requirement={file}" for file in REQUIREMENTS))
    READY.touch()


def create_class_data() -> None:
    """In the background: it takes most of a minute, and only makes later starts of Spark faster."""
    if not list(jar_folder().glob("*.jsa")):
        say("Java class-data archive          in the background")
    quiet = subprocess.DEVNULL
    command = ["nice", "-n", "19", str(PYTHON), "-m", "infra.local.class_data"]
    subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)


def run_module(name: str) -> None:
    done = run_quietly([str(PYTHON), "-m", name])
    if done.returncode:
        raise SetupError(done.stdout.strip().removeprefix("error: "))


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
