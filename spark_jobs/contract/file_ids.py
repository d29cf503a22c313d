"""Identifies a file. An object name alone is not enough, because an overwrite is a different file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class FileId:
    """One generation of one object. As text: ``bucket/name#generation``."""

    bucket: str
    name: str
    generation: int

    def __str__(self) -> str:
        return f"{self.bucket}/{self.name}#{self.generation}"

    @classmethod
    def parse(cls, text: str) -> FileId:
        """The inverse of ``str``. Works for any object name, because a bucket has no ``/`` and a generation no ``#``.

        Raises ValueError if the text is not a file id.
        """
        path, hash_sign, generation = text.rpartition("#")
        bucket, slash, name = path.partition("/")
        if not (hash_sign and slash and bucket and name and generation.isascii() and generation.isdigit()):
            raise ValueError(f"not a file id: {text!r} (expected bucket/name#generation)")
        return cls(bucket, name, int(generation))
