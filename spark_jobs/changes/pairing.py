"""Pairs the images of each row into changes. Pure: it sees no Spark and no broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby

from spark_jobs.changes.images import Image
from spark_jobs.contract.changes import Change
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.values import from_micros


def changes(feed: Feed, images: Iterable[Image], remaining: Callable[[int], Mapping[str, Image]]) -> Iterator[Change]:
    """At most one change per key and commit; none where the content stays the same, whatever else of the row changed.

    ``remaining(version)``: of the keys that this commit only removed rows of, those that still have one, with that row.
    Two rows of a key exist between the commit of a concurrent run and its repair; then the one that was written last is
    published, and what remains when one of them is deleted. So a consumer always holds a row of the table, and if keys
    are unique, the row.
    """
    for (version, key), group in groupby(images, key=lambda image: (image.version, image.key)):
        written = list(group)
        removed = [image for image in written if image.removed]
        added = [image for image in written if not image.removed]
        now = max(added, key=_content) if added else remaining(version).get(key)
        if now and removed and all(image.content == now.content for image in removed):
            continue
        before = max(removed, key=_content) if removed else None
        yield Change(
            feed,
            before=json.loads(before.content) if before else None,
            after=json.loads(now.content) if now else None,
            commit_version=version,
            committed_at=from_micros(written[0].at),
            file_id=now.file_id if now else None,
            row_number=now.row_number if now else None,
        )


def _content(image: Image) -> str:
    return image.content
