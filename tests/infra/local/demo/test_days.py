"""The demo's files are the same on every run and contain the cases that the demo is meant to show."""

from __future__ import annotations

from datetime import UTC, datetime

from infra.local.demo.days import waves
from infra.local.demo.expected import Row, expected_target

ARRIVAL = datetime(2026, 2, 1, tzinfo=UTC)


def test_the_files_are_always_the_same() -> None:
    assert waves(200) == waves(200)


def test_the_late_day_and_the_second_edition_matter() -> None:
    """The target differs if either is left out, or if the last file always won; otherwise the demo would show nothing."""
    files = {
        upload.about: (upload.content, ARRIVAL) for wave in waves(300) for upload in wave if upload.expected == "merged"
    }
    whole = expected_target(files.values())

    for about in files:
        assert expected_target(content for other, content in files.items() if other != about) != whole, about
    last_wins: dict[str, Row] = {}
    for one in files.values():
        last_wins |= expected_target([one])
    assert last_wins != whole


def test_a_share_of_fridays_rows_is_bad_but_not_too_large_a_one() -> None:
    friday = waves(400)[1][-1]
    rows = friday.content.count(b"\n") - friday.content.count(b'c/o ""Smith') * 2 - 1
    good = expected_target([(friday.content, ARRIVAL)])

    assert 0.01 < 1 - len(good) / rows < 0.09
