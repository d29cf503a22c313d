"""The pictures for README and docs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from infra import screenshots
from infra.local.chromium import NONE, find_chromium
from infra.screenshots import PICTURES, NoPicture, save, write_all
from spark_jobs.report.page import render
from tests.spark_jobs.report.made_up import gathered

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(find_chromium() is None, reason=NONE)
def test_every_picture_is_taken_of_a_drawn_page(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text(render(gathered(3)), "utf-8")

    write_all(report, tmp_path / "images")

    assert {file.stem for file in (tmp_path / "images").iterdir()} == {picture.name for picture in PICTURES}
    for picture in PICTURES:
        with Image.open(tmp_path / "images" / f"{picture.name}.png") as image:
            colors = image.convert("RGB").getcolors(256)
            assert colors
            assert len(colors) > 10, "not an empty page"


def test_a_picture_that_is_too_large_and_a_missing_report_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = tmp_path / "shot.png"
    Image.effect_noise((300, 300), 80).save(shot)
    monkeypatch.setattr(screenshots, "MAX_BYTES", 1000)
    with pytest.raises(NoPicture, match="show less"):
        save(shot.read_bytes(), tmp_path / "small.png")
    monkeypatch.setattr(screenshots, "find_chromium", lambda: "chromium")
    with pytest.raises(NoPicture, match="run `make demo` first"):
        write_all(tmp_path / "none.html", tmp_path)


def test_the_pictures_of_the_docs_are_these_and_small() -> None:
    found = {file.stem: file.stat().st_size for file in (ROOT / "docs" / "images").glob("report*.png")}

    assert set(found) == {picture.name for picture in PICTURES}
    assert max(found.values()) < screenshots.MAX_BYTES
