"""`python -m infra.local upload` and `status`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running_stack import RunningStack

pytestmark = pytest.mark.servers


def test_upload_reports_each_object_and_names_a_file_that_it_cannot_read(
    shared_stack: RunningStack, tmp_path: Path
) -> None:
    stack = shared_stack
    nowhere = RunningStack(tmp_path / "no stack").command("upload", "x.csv")
    assert "start it with `python -m infra.local up" in nowhere.stderr
    file = tmp_path / "any name.csv"
    file.write_bytes(b"a,b\n")

    done = stack.command("upload", str(file), "--as", "order_tracking_2026_01_31.csv")

    assert done.returncode == 0, done.stderr
    assert "as gs://orders-data/source/order_tracking_2026_01_31.csv (generation " in done.stdout
    assert stack.names("source/") == ["source/order_tracking_2026_01_31.csv"]
    missing = stack.command("upload", str(tmp_path / "none.csv"))
    assert missing.returncode == 1
    assert "none.csv can't be read" in missing.stderr
