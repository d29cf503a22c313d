"""Only objects without a content encoding are read."""

from __future__ import annotations

import pytest

from spark_jobs.contract.content_encoding import content_encoding_violation


@pytest.mark.parametrize("encoding", ["", "identity", "Identity", " "])
def test_an_object_without_an_encoding_may_be_read(encoding: str) -> None:
    assert content_encoding_violation(encoding) is None


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "gzip, identity", "aws-chunked", "utf-8", "x\n" * 200])
def test_any_other_encoding_rejects_the_whole_file(encoding: str) -> None:
    violation = content_encoding_violation(encoding)
    assert violation is not None
    assert (violation.code, violation.row) == ("content_encoding", None)
    assert violation.value is not None
    assert violation.value.isprintable()
