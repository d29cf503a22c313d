"""Images of rows become changes of content: at most one per key and commit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from spark_jobs.changes.images import Image
from spark_jobs.changes.pairing import changes
from spark_jobs.contract.changes import Change
from spark_jobs.contract.feeds import ORDER_TRACKING

MICROSECONDS = 1_769_853_600_123_456  # 2026-01-31T10:00:00.123456Z


def image(removed: bool, status: str, version: int = 7, key: str = "T1", file: str = "b/n#1") -> Image:
    content = dict.fromkeys(ORDER_TRACKING.column_names) | {"tracking_num": key, "status": status}
    return Image(version, MICROSECONDS, json.dumps({"tracking_num": key}), removed, json.dumps(content), file, 3)


def gone(status: str, **more: object) -> Image:
    return image(True, status, **more)  # type: ignore[arg-type]


def new(status: str, **more: object) -> Image:
    return image(False, status, **more)  # type: ignore[arg-type]


def nothing_left(version: int) -> Mapping[str, Image]:
    return {}


def left(*images: Image) -> Callable[[int], Mapping[str, Image]]:
    return lambda version: {image.key: image for image in images}


def statuses(found: list[Change]) -> list[tuple[str | None, str | None]]:
    return [tuple(row["status"] if row else None for row in (change.before, change.after)) for change in found]  # type: ignore[misc]


def test_an_update_has_the_row_before_and_after_and_where_it_came_from() -> None:
    [change] = changes(ORDER_TRACKING, [new("shipped", file="b/n#2"), gone("pending")], nothing_left)
    assert statuses([change]) == [("pending", "shipped")]
    assert (change.commit_version, change.file_id, change.row_number) == (7, "b/n#2", 3)
    assert change.committed_at.isoformat() == "2026-01-31T10:00:00.123456+00:00"


def test_a_new_row_has_nothing_before_and_a_deleted_one_nothing_after() -> None:
    found = list(changes(ORDER_TRACKING, [new("pending"), gone("pending", version=8)], nothing_left))
    assert statuses(found) == [(None, "pending"), ("pending", None)]
    assert (found[1].file_id, found[1].row_number) == (None, None)


def test_changed_provenance_alone_is_no_change() -> None:
    assert not list(changes(ORDER_TRACKING, [gone("pending"), new("pending", file="b/n#2")], nothing_left))


def test_each_version_of_a_key_is_a_change_of_its_own_in_the_order_of_the_commits() -> None:
    images = [new("pending", version=3), gone("pending", version=4), new("shipped", version=4), gone("shipped", version=5)]
    assert statuses(list(changes(ORDER_TRACKING, images, nothing_left))) == [
        (None, "pending"), ("pending", "shipped"), ("shipped", None),
    ]  # fmt: skip


def test_of_two_rows_with_one_key_the_deletion_of_one_publishes_the_other() -> None:
    """What the consumer holds may be the deleted row, since it was written last."""
    [change] = changes(ORDER_TRACKING, [gone("pending")], left(new("shipped")))
    assert statuses([change]) == [("pending", "shipped")]


def test_of_two_rows_with_equal_content_the_deletion_of_one_is_no_change() -> None:
    assert not list(changes(ORDER_TRACKING, [gone("shipped")], left(new("shipped"))))


def test_of_three_rows_with_one_key_the_one_that_is_left_is_published_although_another_was_equal() -> None:
    [change] = changes(ORDER_TRACKING, [gone("pending"), gone("shipped")], left(new("shipped")))
    assert statuses([change])[0][1] == "shipped"


def test_a_key_changed_by_hand_is_a_deletion_and_a_new_row() -> None:
    found = list(changes(ORDER_TRACKING, [gone("pending", key="T1"), new("pending", key="T2")], nothing_left))
    assert statuses(found) == [("pending", None), (None, "pending")]


@pytest.mark.parametrize("images", [[new("shipped"), new("pending")], [new("pending"), new("shipped")]])
def test_what_is_published_does_not_depend_on_the_order_within_a_commit(images: list[Image]) -> None:
    [change] = changes(ORDER_TRACKING, images, nothing_left)
    assert statuses([change]) == [(None, "shipped")]
