from __future__ import annotations

import pytest
from click.testing import CliRunner

from infra.simulate.__main__ import main


def test_the_table_has_every_window_and_the_live_mode() -> None:
    result = CliRunner().invoke(main, ["--files-a-day=500", "--rows=1000", "--bursts=50"], catch_exceptions=False)
    assert result.exit_code == 0
    for mode in ("window 5 s", "window 15 s", "window 30 s", "window 45 s", "window 55 s", "live"):
        assert result.output.count(mode) == 2, mode
    assert "500 files a day in 50 bursts" in result.output


@pytest.mark.parametrize("option", ["--bursts=501", "--files-a-day=-1", "--platform=azure"])
def test_an_impossible_load_is_wrong_usage(option: str) -> None:
    result = CliRunner().invoke(main, ["--files-a-day=500", option])
    assert result.exit_code == 2
    assert "Error: " in result.output
