"""Which content encodings of an object are valid. Function and job check this before they read a byte.

Cloud Storage decompresses an object with ``Content-Encoding: gzip`` for some clients and not for others, so the function
and Spark would read different bytes, and a small object may decompress to more than memory holds.
"""

from __future__ import annotations

from spark_jobs.contract.violations import Violation, shorten


def content_encoding_violation(content_encoding: str) -> Violation | None:
    """The violation of an object with this ``Content-Encoding`` (empty: none); None if the object may be read."""
    if content_encoding.strip().lower() in ("", "identity"):
        return None
    message = "the object has a Content-Encoding; only objects that are stored without one are read"
    return Violation("content_encoding", message, value=shorten(content_encoding))
