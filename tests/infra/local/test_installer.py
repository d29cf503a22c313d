"""Packages come from where pip is configured to take them, also with uv, and pip has the last word."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infra.local import installer
from infra.local.installer import InstallError, install, pip_settings
from tests.jobs_fixtures import PROBE, make_wheel


def test_pips_environment_outranks_its_configuration_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://file\nextra-index-url = http://a\n  http://b\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert pip_settings()["index-url"] == "http://file"
    monkeypatch.setenv("PIP_INDEX_URL", "http://environment")
    assert installer._uv_sources(pip_settings())[:6] == [
        *("--default-index", "http://environment"),
        *("--index", "http://a", "--index", "http://b"),
    ]


def failing_uv(folder: Path) -> str:
    uv = folder / "uv"
    uv.write_text(f"#!/bin/sh\necho called >>{folder}/calls\nexit 2\n")
    uv.chmod(0o755)
    return str(uv)


def test_where_uv_fails_pip_installs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uv = failing_uv(tmp_path)
    monkeypatch.setattr(installer, "find_uv", lambda python: uv)
    wheel, target = make_wheel(tmp_path, "job_probe", PROBE), tmp_path / "target"

    install(Path(sys.executable), "--no-deps", f"--target={target}", str(wheel))

    assert (target / "job_probe.py").exists()
    assert (tmp_path / "calls").exists()


def test_where_both_fail_the_message_ends_with_pips_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InstallError, match="No matching distribution found for no-such-package-anywhere"):
        install(Path(sys.executable), "no-such-package-anywhere")
