"""The generated files are current; feeds come and go without an edit to any page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.contracts.__main__ import ROOT, SCHEMAS, MarksError, documents, stale, write
from infra.contracts.page import declaration
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS
from tests.infra.contracts.odd_feed import ODD


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The pages of this repository, in another folder."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ROOT / SCHEMAS, tmp_path / SCHEMAS)
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", documents(), ids=str)
def test_every_generated_file_is_current(path: Path) -> None:
    """If this fails: make contracts."""
    assert (ROOT / path).read_text() == documents()[path]


def test_no_file_of_a_former_feed_is_left() -> None:
    assert stale() == []


@pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: feed.name)
def test_a_page_names_the_module_that_declares_its_feed(feed: Feed) -> None:
    assert (ROOT / declaration(feed)).is_file()


def test_what_is_current_is_not_written_again(copy: Path) -> None:
    assert write(copy) == []


def test_another_feed_gets_its_files_and_its_lines(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as declared:
        declared.setitem(FEEDS, ODD.name, ODD)
        written = [Path("docs/contracts/odd.md"), Path("docs/contracts/odd.odcs.yaml"), SCHEMAS / "odd.schema.json"]
        assert write(copy) == [*written, Path("README.md"), Path("docs/contract.md")]
        assert "| [odd things](docs/contracts/odd.md) | `odd_YYYY_MM_DD.csv` |" in (copy / "README.md").read_text()
        assert "| [odd things](contracts/odd.md) |" in (copy / "docs" / "contract.md").read_text()
    assert write(copy) == [Path("README.md"), Path("docs/contract.md"), *written]
    assert not (copy / written[0]).exists()


def test_a_page_without_marks_is_named(copy: Path) -> None:
    (copy / "README.md").write_text("# Nothing here\n")
    with pytest.raises(MarksError, match=r"README\.md has no lines <!-- generated: feeds --> and <!-- /generated -->"):
        write(copy)
