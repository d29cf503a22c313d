"""Tables that version 0.1.0 of the job wrote, so that no test here needs Spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.released_tables import unpack_tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path must be quoted in SQL."""
    return unpack_tables(tmp_path_factory.mktemp("o'tables"))
