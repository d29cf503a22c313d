"""Tables that version 0.1.0 of the job wrote: two files of order tracking, whose log lines don't name the feed."""

from __future__ import annotations

import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).parent / "data" / "tables_0_1_0.tar.gz"


def unpack_tables(folder: Path) -> Path:
    """Into the folder, which is returned."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder
