"""The server's parts: open the data folder, clean up after a crash, close."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from infra.local.storage.contents import Contents, SessionFiles
from infra.local.storage.database import Database, Transaction, now_microseconds
from infra.local.storage.events import Events
from infra.local.storage.notifications import Notifications
from infra.local.storage.objects import ALL_VERSIONS, Objects

SESSION_LIFETIME = 7 * 24 * 3600 * 1_000_000  # as in the real service: a resumable upload expires after a week


class DataDirInUse(RuntimeError):
    """Another server uses the folder; two servers would assign the same generations."""


@dataclass
class Service:
    data_dir: Path
    database: Database
    contents: Contents
    objects: Objects
    session_files: SessionFiles
    events: Events
    notifications: Notifications
    lock: IO[str]

    def close(self) -> None:
        self.database.close()
        self.lock.close()


def open_service(data_dir: Path, notify: str | None, pubsub: str | None = None) -> Service:
    """Open (or create) the folder, and delete what a killed server did not commit.

    `notify`: the URL of the function, `pubsub`: host:port of a Pub/Sub emulator."""
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = _lock(data_dir)
    database = Database(data_dir / "storage.db")
    contents = Contents(data_dir)
    contents.remove_orphans(*database.write_blocking(_known))
    events = Events(database, notify)
    notifications = Notifications(database, pubsub)
    return Service(
        data_dir=data_dir,
        database=database,
        contents=contents,
        objects=Objects(contents, events, notifications),
        session_files=SessionFiles(contents),
        events=events,
        notifications=notifications,
        lock=lock,
    )


def _lock(data_dir: Path) -> IO[str]:
    lock = (data_dir / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read()
        lock.close()
        raise DataDirInUse(f"{data_dir} is in use by another storage server (process {owner})") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _known(tx: Transaction) -> tuple[set[str], set[str]]:
    """The names of all files in `objects/` and in `uploads/` that belong to something."""
    tx.execute("DELETE FROM uploads WHERE created < ?", now_microseconds() - SESSION_LIFETIME)
    return (
        {str(row[0]) for table in ALL_VERSIONS for row in tx.rows(f"SELECT generation FROM {table}")},  # noqa: S608
        {row[0] for row in tx.rows("SELECT id FROM uploads WHERE state = 'open'")},
    )
