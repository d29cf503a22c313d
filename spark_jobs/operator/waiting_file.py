"""The waiting file that an operator's command is about."""

from __future__ import annotations

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.operator.replay import relative_name, split_id
from spark_jobs.settings import BucketLayout


class Refused(Exception):
    """The command can't be applied to this file. The message is one sentence that says why."""


def find_waiting(store: FileStore, layout: BucketLayout, text: str) -> StoredFile:
    """The live object of a file in the source folder, given its name, object name or file id. Raises Refused."""
    _, generation = split_id(layout, text)
    relative = relative_name(layout, text)
    stored = store.stat(layout.bucket, layout.source_prefix + relative) if relative else None
    if stored is None:
        raise Refused(f"{text!r} is not in {layout.source_prefix} of bucket {layout.bucket}")
    if generation not in (None, stored.file.generation):
        raise Refused(f"{text!r} is no longer in {layout.source_prefix}: generation {stored.file.generation} replaced it")
    return stored
