"""Tables that version 0.1.0 of the job wrote, so that no test here needs Spark."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path must be quoted in SQL."""
    made = tmp_path_factory.mktemp("o'tables")
    with tarfile.open(ROOT / "tests" / "data" / "tables_0_1_0.tar.gz") as archive:
        archive.extractall(made, filter="data")
    return made
