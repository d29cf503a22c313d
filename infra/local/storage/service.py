"""Wire the server's parts together: open the data folder, clean up after a crash, close."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from infra.local.faults import Faults
from infra.local.storage import buckets
from infra.local.storage.contents import Contents
from infra.local.storage.database import Database, Transaction, now_microseconds
from infra.local.storage.delivery import Deliveries
from infra.local.storage.objects import Objects
from infra.local.storage.outbox import EventSettings, Outbox
from infra.local.storage.sessions import Sessions

SESSION_LIFETIME = 7 * 24 * 3600 * 1_000_000  # as in the real service: a resumable upload expires after a week


class DataDirInUse(RuntimeError):
    """Another server uses the folder; two servers would assign the same generations."""


@dataclass
class Service:
    data_dir: Path
    database: Database
    contents: Contents
    objects: Objects
    sessions: Sessions
    deliveries: Deliveries
    faults: Faults
    lock: IO[str]

    def close(self) -> None:
        self.database.close()
        self.lock.close()


def open_service(data_dir: Path, bucket_names: Sequence[str], notify: str | None) -> Service:
    """Open (or create) the folder, delete what a killed server did not commit, and create the buckets."""
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = _lock(data_dir)
    database = Database(data_dir / "storage.db")
    contents = Contents(data_dir)
    generations, upload_ids = database.write_blocking(_known)
    contents.remove_orphans(generations, upload_ids)
    for name in bucket_names:
        database.write_blocking(lambda tx, name=name: buckets.ensure(tx, name))  # type: ignore[misc]
    outbox = Outbox(EventSettings(notify=notify))
    return Service(
        data_dir=data_dir,
        database=database,
        contents=contents,
        objects=Objects(contents, outbox),
        sessions=Sessions(contents),
        deliveries=Deliveries(database, outbox),
        faults=Faults(),
        lock=lock,
    )


def _lock(data_dir: Path) -> IO[str]:
    lock = (data_dir / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        holder = f" (process {json.loads(owner)['pid']})" if owner else ""
        raise DataDirInUse(f"{data_dir} is in use by another storage server{holder}") from None
    lock.truncate(0)
    lock.write(json.dumps({"pid": os.getpid()}))
    lock.flush()
    return lock


def _known(tx: Transaction) -> tuple[set[int], set[str]]:
    tx.execute("DELETE FROM uploads WHERE created < ?", now_microseconds() - SESSION_LIFETIME)
    return (
        {row[0] for row in tx.rows("SELECT generation FROM objects")},
        {row[0] for row in tx.rows("SELECT id FROM uploads WHERE state = 'open'")},
    )
