"""A missing or unusable Java is one sentence that says what to do. A missing, broken or foreign class-data archive changes
nothing but the time of a start."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from spark_jobs.store.java import JavaError, archive_path, class_data_options, find_java, java_release


def fake_java(folder: Path, shown: str) -> Path:
    """A Java home whose java prints this as its version."""
    binary = folder / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{shown}\nEND\n")
    binary.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("shown", "release"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_422"', 8),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_the_release_is_read_from_what_java_prints(shown: str, release: int | None) -> None:
    assert java_release(shown) == release


def test_without_any_java_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(JavaError, match=r"Java isn't on PATH.*install Java 17"):
        find_java()


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ('openjdk version "11.0.2" 2019-01-15', r"needs Java 17 or newer.*is Java 11"),
        ("Unable to locate a Java Runtime.", "doesn't report its version"),
    ],
)
def test_a_java_that_spark_cannot_use_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shown: str, message: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, shown)))

    with pytest.raises(JavaError, match=message):
        find_java()


def test_a_java_home_without_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))

    with pytest.raises(JavaError, match=r"JAVA_HOME is .*nowhere"):
        find_java()


def test_the_home_is_where_the_links_on_path_lead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = fake_java(tmp_path / "jdk", 'openjdk version "17.0.15"')
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    assert find_java().home == home.resolve()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ORDER_TRACKING_JARS", str(tmp_path))
    return tmp_path


def test_without_an_archive_there_are_no_options(folder: Path) -> None:
    assert class_data_options(find_java(), []) == ""


def test_another_java_or_other_jars_have_another_archive(folder: Path) -> None:
    java = find_java()
    others = {
        archive_path(java, []),
        archive_path(replace(java, about="another"), []),
        archive_path(java, [folder / "x.jar"]),
    }
    assert len(others) == 3


def test_java_starts_and_says_nothing_about_an_archive_that_is_none(folder: Path) -> None:
    java = find_java()
    archive_path(java, []).write_bytes(b"no archive")
    command = [str(java.binary), *class_data_options(java, []).split(), "-version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    # It then does without the archive of its own classes, too: ", sharing" is missing.
    assert shown.stdout + shown.stderr == java.about.replace(", sharing", "")
