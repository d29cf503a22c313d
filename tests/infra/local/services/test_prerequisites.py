"""A missing prerequisite is one sentence that says what to do (for Java: tests/spark_jobs/store/test_java.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.services.prerequisites import Missing, check_python, java_home


def test_a_missing_java_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    with pytest.raises(Missing, match=r"^JAVA_HOME is [^\n]*$"):
        java_home()


def test_an_old_python_is_refused() -> None:
    check_python((3, 11, 0))
    with pytest.raises(Missing, match=r"Python 3.11 or newer is needed, this is 3\.10\.4"):
        check_python((3, 10, 4))
