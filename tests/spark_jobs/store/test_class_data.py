"""The class-data archive is never required: a missing, broken or foreign one changes nothing but the time of a start."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from spark_jobs.store.class_data import archive_path, class_data_options
from spark_jobs.store.java import find_java


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ORDER_TRACKING_JARS", str(tmp_path))
    return tmp_path


def test_without_an_archive_there_are_no_options() -> None:
    assert class_data_options(find_java(), []) == ""


def test_another_java_or_other_jars_have_another_archive(folder: Path) -> None:
    java = find_java()
    others = {
        archive_path(java, []),
        archive_path(replace(java, about="another"), []),
        archive_path(java, [folder / "x.jar"]),
    }
    assert len(others) == 3


def test_java_starts_and_says_nothing_about_an_archive_that_is_none() -> None:
    java = find_java()
    archive_path(java, []).write_bytes(b"no archive")
    command = [str(java.binary), *class_data_options(java, []).split(), "-version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    # It then does without the archive of its own classes, too: ", sharing" is missing.
    assert shown.stdout + shown.stderr == java.about.replace(", sharing", "")
