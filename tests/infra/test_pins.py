"""The job's dependencies are pinned, each of them, and the local stack installs exactly these."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.local.jobs.bundle import load_bundle
from infra.local.jobs.environment import DEFAULT_BUNDLE, DEFAULT_CACHE, prepare_environment
from infra.pins import PROJECT, PinError, agreed, resolve, write


def pyproject() -> dict[str, Any]:
    return tomllib.loads(PROJECT.read_text())


def pins() -> dict[str, str]:
    """The pinned versions by name."""
    return dict(line.split("==") for line in pyproject()["project"]["dependencies"])


def test_each_dependency_is_one_version() -> None:
    """Without ranges, extras and markers a resolver has nothing to decide."""
    lines = pyproject()["project"]["dependencies"]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []
    assert len(pins()) == len(lines)


def test_the_pins_are_within_the_ranges_that_the_job_works_with() -> None:
    for direct in map(Requirement, pyproject()["dependency-groups"]["job"]):
        assert pins()[direct.name] in direct.specifier


def test_nothing_that_the_runtime_brings_is_pinned() -> None:
    """Installing PySpark breaks serverless, and a run must not replace the runtime's Arrow and pandas."""
    assert not {"pyspark", "delta-spark", "databricks-connect", "py4j", "pyarrow", "pandas", "numpy"} & pins().keys()


@pytest.mark.servers
def test_they_equal_what_the_local_stack_installs() -> None:
    """All that the job's imports need there, directly or not, and nothing else. Set-up has made this environment."""
    python = prepare_environment(load_bundle(DEFAULT_BUNDLE, "local", {}), None, DEFAULT_CACHE)
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    dependencies = (site / "dependencies.pth").read_text().strip()
    installed = {canonicalize_name(dist.name): dist for dist in importlib.metadata.distributions(path=[dependencies])}
    needed = closure(pyproject()["dependency-groups"]["job"], installed)
    assert {name: installed[name].version for name in needed} == pins()


def closure(requirements: Iterable[str], installed: dict[str, importlib.metadata.Distribution]) -> set[str]:
    """The names of all packages that the requirements lead to."""
    seen: set[tuple[str, str]] = set()
    todo = [(Requirement(line), "") for line in requirements]
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                todo += [(Requirement(line), wanted) for line in installed[name].requires or []]
    return {name for name, _ in seen}


def test_a_version_that_only_one_python_can_install_is_refused_by_name() -> None:
    assert agreed({"3.11": ["click==8.5.1"], "3.12": ["click==8.5.1"]}) == ["click==8.5.1"]
    with pytest.raises(
        PinError, match=r"3\.11 and 3\.12 need different versions: numpy==2\.4, numpy==2\.5\. .*add a range"
    ):
        agreed({"3.11": ["click==8.5.1", "numpy==2.4"], "3.12": ["click==8.5.1", "numpy==2.5"]})


def test_a_refresh_replaces_the_list_and_tells_what_changed(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = [\n    "click==8.5.1",\n    "rich==15.0.0",\n]\n\n[tool.x]\ny = 1\n')
    assert write(project, ["click==8.6.0", "rich==15.0.0"]) == ["-click==8.5.1", "+click==8.6.0"]
    assert write(project, ["click==8.6.0", "rich==15.0.0"]) == []
    assert tomllib.loads(project.read_text()) == {
        "project": {"dependencies": ["click==8.6.0", "rich==15.0.0"]},
        "tool": {"x": {"y": 1}},
    }


def test_a_project_without_a_list_stays_as_it_is(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndynamic = ["dependencies"]\n')
    with pytest.raises(PinError, match="has no list"):
        write(project, ["click==8.6.0"])
    assert project.read_text() == '[project]\ndynamic = ["dependencies"]\n'


def test_a_group_that_can_not_be_installed_is_told_with_the_resolvers_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    project = tmp_path / "pyproject.toml"
    project.write_text('[dependency-groups]\njob = ["no-such-thing-anywhere==1"]\n')
    with pytest.raises(
        PinError, match=r"(?s)the group job in .* can't be installed on Python 3\.12:.*no-such-thing-anywhere"
    ):
        resolve(project, "3.12")
