"""The built wheel: its files, its dependencies, and a contract package that needs only the standard library."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "spark_jobs"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(SOURCES)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_contains_exactly_the_files_of_the_tree(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
    others = {"dist", "build", "__pycache__", "pyproject.toml"}
    sources = (path for path in SOURCES.rglob("*") if path.is_file() and not others & set(path.relative_to(SOURCES).parts))
    assert packed == {f"spark_jobs/{path.relative_to(SOURCES)}" for path in sources}
    assert {Path(name).suffix for name in packed} == {".py", ".sql", ".html", ".css", ".js"}


def test_the_wheel_does_not_depend_on_pyspark_which_would_break_serverless(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        required = HeaderParser().parsestr(archive.read(metadata).decode()).get_all("Requires-Dist") or []
    always = [line for line in required if "extra ==" not in line]
    assert always, "the job has dependencies"
    assert not [line for line in always if line.startswith(("pyspark", "delta-spark", "pandas", "pyarrow"))]


def test_the_contract_in_the_wheel_needs_only_the_standard_library(wheel: Path) -> None:
    """-S and -I hide site-packages and the working directory, so only the wheel can be imported."""
    program = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import spark_jobs.contract as contract
assert contract.__file__.startswith(sys.argv[1])
names = [m.name for m in pkgutil.iter_modules(contract.__path__, "spark_jobs.contract.")]
assert len(names) >= 10, names
for name in names:
    importlib.import_module(name)
"""
    subprocess.run([sys.executable, "-S", "-I", "-c", program, str(wheel)], check=True, timeout=60)
