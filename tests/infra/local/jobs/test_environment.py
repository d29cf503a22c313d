"""The wheel's environment: made once, whole or not at all, and never with more than the wheel declares."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.local.installer import InstallError
from infra.local.jobs.environment import COMPLETE, WheelError, build_wheel, install_wheel, requirements_of
from tests.jobs_fixtures import PROBE, ROOT, make_wheel

pytestmark = pytest.mark.servers


def modules_seen(python: Path, *names: str) -> list[str]:
    """Which of the modules that Python can find."""
    code = f"import importlib.util as u; print(*[n for n in {names!r} if u.find_spec(n)])"
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True, check=True, env=environment, cwd="/")
    return done.stdout.split()


def test_it_holds_the_wheel_and_not_the_developers_packages(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "job_probe", PROBE)
    python = install_wheel(wheel, tmp_path / "cache")
    assert modules_seen(python, "job_probe", "pytest", "databricks", "infra") == ["job_probe"]


def test_another_content_is_another_environment_and_the_first_stays(tmp_path: Path) -> None:
    one = make_wheel(tmp_path / "one", "job_probe", PROBE)
    two = make_wheel(tmp_path / "two", "job_probe", PROBE + "\nNEW = 1\n")
    first, second = (install_wheel(wheel, tmp_path / "cache") for wheel in (one, two))
    assert first != second
    assert install_wheel(one, tmp_path / "cache") == first
    assert modules_seen(first, "job_probe") == ["job_probe"]


def test_starters_at_the_same_time_make_one_whole_environment(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "job_probe", PROBE)
    command = [sys.executable, "-m", "infra.local.jobs.environment", "--wheel", str(wheel)]
    command += ["--env-cache", str(tmp_path / "cache")]

    def prepare(_number: int) -> str:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(3) as pool:
        (python,) = set(pool.map(prepare, range(3)))
    assert modules_seen(Path(python), "job_probe") == ["job_probe"]


def test_a_half_made_environment_is_made_anew(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "job_probe", PROBE)
    python = install_wheel(wheel, tmp_path / "cache")
    (python.parents[1] / COMPLETE).unlink()
    python.unlink()
    again = install_wheel(wheel, tmp_path / "cache")
    assert again == python
    assert modules_seen(again, "job_probe") == ["job_probe"]


def test_a_requirement_that_cannot_be_installed_is_told_with_pips_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = make_wheel(tmp_path, "job_probe", PROBE, requires=("no-such-thing-anywhere==1",))
    with pytest.raises(InstallError, match="No matching distribution found for no-such-thing-anywhere==1"):
        install_wheel(wheel, tmp_path / "cache")


def test_requirements_are_those_of_the_wheel_and_of_the_extras_asked_for(tmp_path: Path) -> None:
    requires = (
        "click>=8",
        'pyspark==4.0.5; extra == "local"',
        'pytest; extra == "dev"',
        'pywin32; sys_platform == "win32"',
    )
    wheel = make_wheel(tmp_path, "job_probe", PROBE, requires)
    assert requirements_of(wheel, ("local",)) == ["click>=8", "pyspark==4.0.5"]
    assert requirements_of(wheel, ()) == ["click>=8"]


def test_what_is_no_wheel_or_no_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.whl").write_text("no zip")
    with pytest.raises(WheelError, match=r"text.whl is not a wheel"):
        requirements_of(tmp_path / "text.whl", ())
    with pytest.raises(WheelError, match=r"no pyproject.toml in"):
        build_wheel(tmp_path, tmp_path / "cache")
