"""The workspace's files and folders, which the CLI deploys a bundle into.

They are rows of one SQLite file in the data folder. So a path is only ever a key: no name, however hostile, can reach
another file of this machine. `/Workspace/x` and `/x` are the same object, as on the platform.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from infra.local.jobs.answers import ApiError, invalid
from infra.local.jobs.endpoints import CONTENT, Endpoints, Fields, flag, text
from infra.local.jobs.login import USER
from infra.local.jobs.store import now_ms, open_database

PREFIX = "/Workspace"
FILES, IMPORTS = "/api/2.0/workspace-files/{path:path}", "/api/2.0/workspace-files/import-file/{path:path}"
ALWAYS_THERE = ("/", "/Shared", "/Users", f"/Users/{USER}")
# Object ids are never used again, so that a new folder does not have a deleted one's permissions.
SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    object_id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, parent TEXT NOT NULL,
    content BLOB, created INTEGER NOT NULL, modified INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS objects_parent ON objects (parent);
"""
INFO = "object_id, path, created, modified, content IS NULL AS is_folder, coalesce(length(content), 0) AS size"


class Workspace:
    """Each method is called only from the event loop's thread. Raises ApiError."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, SCHEMA)
        for folder in ALWAYS_THERE:
            self._make_folder(folder)

    def close(self) -> None:
        self._db.close()

    def routes(self, endpoints: Endpoints) -> list[BaseRoute]:
        return [
            endpoints.route("GET", "/api/2.0/workspace/get-status", self._get_status),
            endpoints.route("GET", "/api/2.0/workspace/list", self._list),
            endpoints.route("POST", "/api/2.0/workspace/mkdirs", self._mkdirs),
            endpoints.route("POST", "/api/2.0/workspace/delete", self._delete),
            endpoints.route("POST", "/api/2.0/workspace/import", self._import),
            endpoints.route("GET", "/api/2.0/workspace/export", self._export),
            endpoints.route("POST", IMPORTS, self._import_file, raw=True),
            endpoints.route("GET", FILES, self._read_file),
        ]

    def read(self, path: str) -> bytes:
        """The content of a file."""
        row = self._required(_key(path), path)
        if row["is_folder"]:
            raise invalid(f"Path ({path}) is a directory.")
        content = self._db.execute("SELECT content FROM objects WHERE object_id = ?", (row["object_id"],))
        return bytes(content.fetchone()[0])

    def folders_from(self, object_id: int) -> list[int]:
        """The ids of the folder and of those that it is in, innermost first. Empty if there is no such folder."""
        # As a text, because a number from a request may be larger than SQLite's; the column's affinity converts it.
        row = self._db.execute(f"SELECT {INFO} FROM objects WHERE object_id = ?", (str(object_id),)).fetchone()  # noqa: S608
        found = []
        while row is not None and row["is_folder"]:
            found.append(int(row["object_id"]))
            row = self._find(posixpath.dirname(row["path"])) if row["path"] != "/" else None
        return found

    # --- endpoints

    def _get_status(self, fields: Fields) -> Fields:
        path = text(fields, "path")
        return _object(self._required(_key(path), path), path)

    def _list(self, fields: Fields) -> Fields:
        path = text(fields, "path")
        row = self._required(_key(path), path)
        if not row["is_folder"]:
            return {"objects": [_object(row, path)]}
        inside = f"SELECT {INFO} FROM objects WHERE parent = ? ORDER BY path"  # noqa: S608
        rows = self._db.execute(inside, (row["path"],)).fetchall()
        return {"objects": [_object(child, path) for child in rows]} if rows else {}

    def _mkdirs(self, fields: Fields) -> None:
        self._make_folder(_key(text(fields, "path")))

    def _delete(self, fields: Fields) -> None:
        path = text(fields, "path")
        row = self._required(_key(path), path)
        if row["path"] in ALWAYS_THERE:
            raise invalid(f"Path ({path}) cannot be deleted.")
        if (
            not flag(fields, "recursive")
            and self._db.execute("SELECT 1 FROM objects WHERE parent = ?", (row["path"],)).fetchone()
        ):
            raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty")
        below = f"{row['path']}/"
        self._db.execute("DELETE FROM objects WHERE path = ? OR substr(path, 1, ?) = ?", (row["path"], len(below), below))

    def _import(self, fields: Fields) -> None:
        """The content is base64. All formats are kept as a file; there are no notebooks here."""
        path = text(fields, "path")
        try:
            content = base64.b64decode(fields.get("content") or "", validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise invalid("The content is not base64-encoded.") from None
        if self._find(_key(path)) is not None and not flag(fields, "overwrite"):
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
        self._write(path, content)

    def _export(self, fields: Fields) -> Fields | bytes:
        content = self.read(text(fields, "path"))
        if flag(fields, "direct_download"):
            return content
        return {"content": base64.b64encode(content).decode(), "file_type": "file"}

    def _import_file(self, fields: Fields) -> None:
        path = f"/{fields['path'].lstrip('/')}"
        if self._find(_key(path)) is not None and not flag(fields, "overwrite"):
            raise ApiError(409, "ALREADY_EXISTS", f"Node with name {path} already exists.")
        self._write(path, fields[CONTENT])

    def _read_file(self, fields: Fields) -> bytes:
        return self.read(f"/{fields['path'].lstrip('/')}")

    # --- rows

    def _find(self, key: str) -> Any:
        return self._db.execute(f"SELECT {INFO} FROM objects WHERE path = ?", (key,)).fetchone()  # noqa: S608

    def _required(self, key: str, path: str) -> Any:
        row = self._find(key)
        if row is None:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        return row

    def _make_folder(self, key: str) -> None:
        """With all folders above it."""
        above = []
        while key not in ("/", ""):
            above.append(key)
            key = posixpath.dirname(key)
        for folder in ("/", *reversed(above)):
            row = self._find(folder)
            if row is None:
                self._insert(folder, None)
            elif not row["is_folder"]:
                raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({folder}) already exists and it is not a folder.")

    def _write(self, path: str, content: bytes) -> None:
        key = _key(path)
        row, parent = self._find(key), self._find(posixpath.dirname(key))
        if row is not None and row["is_folder"]:
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists and it is a folder.")
        if parent is None or not parent["is_folder"]:
            where = posixpath.dirname(path)
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"The parent folder ({where}) does not exist.")
        if row is None:
            self._insert(key, content)
        else:
            changed = (content, now_ms(), row["object_id"])
            self._db.execute("UPDATE objects SET content = ?, modified = ? WHERE object_id = ?", changed)

    def _insert(self, key: str, content: bytes | None) -> None:
        parent = posixpath.dirname(key) if key != "/" else ""
        row = (key, parent, content, now_ms(), now_ms())
        self._db.execute("INSERT INTO objects (path, parent, content, created, modified) VALUES (?, ?, ?, ?, ?)", row)


def _key(path: str) -> str:
    """The path under which an object is stored: absolute, without the prefix and without empty parts. Raises ApiError."""
    parts = [part for part in path.split("/") if part]
    if any(letter < " " for letter in path) or not path.startswith("/") or {".", ".."} & set(parts):
        raise invalid(f"Path ({path!a}) is not an absolute path: it must start with / and not contain . or .. as a part.")
    if parts[:1] == [PREFIX[1:]]:
        parts = parts[1:]
    return "/" + "/".join(parts)


def _object(row: Any, asked: str) -> Fields:
    """The path is shown with the prefix if the request had it."""
    shown = row["path"]
    if asked == PREFIX or asked.startswith(f"{PREFIX}/"):
        shown = f"{PREFIX}{shown}".rstrip("/")
    identity = {"object_id": row["object_id"], "resource_id": str(row["object_id"]), "path": shown}
    answer = {"object_type": "DIRECTORY", **identity}
    if not row["is_folder"]:
        times = {"created_at": row["created"], "modified_at": row["modified"]}
        answer |= {"object_type": "FILE", "size": row["size"], **times}
    return answer
