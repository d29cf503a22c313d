"""Listings: prefixes, delimiters, offsets, globs and pages."""

from __future__ import annotations

import httpx
import pytest
from google.cloud import storage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local.services.process import ServerProcess

pytestmark = pytest.mark.servers


NAMES = st.text(st.sampled_from("ab/é\U0010ffff"), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(NAMES, max_size=10),
    prefix=st.sampled_from(["", "a", "a/", "/", "b"]),
    delimiter=st.sampled_from(["", "/", "a", "b/"]),
    page=st.integers(1, 4),
    offsets=st.tuples(st.sampled_from(["", "a/", "b"]), st.sampled_from(["", "b", "é"])),
    trailing=st.booleans(),
)
def test_listing_matches_its_definition(
    bucket: storage.Bucket,
    names: set[str],
    prefix: str,
    delimiter: str,
    page: int,
    offsets: tuple[str, str],
    trailing: bool,
) -> None:
    """For any page size, the pages together match the definition, in name order, and no page is too long."""
    for present in {blob.name for blob in bucket.list_blobs()} ^ names:
        if present in names:
            bucket.blob(present).upload_from_string(b"")
        else:
            bucket.blob(present).delete()
    listed = bucket.list_blobs(
        prefix=prefix,
        delimiter=delimiter or None,
        page_size=page,
        start_offset=offsets[0] or None,
        end_offset=offsets[1] or None,
        include_trailing_delimiter=trailing,
    )
    items: list[str] = []
    for found in listed.pages:
        batch = [blob.name for blob in found]
        assert len(batch) <= page
        items += batch
    assert (items, listed.prefixes) == _expected(names, prefix, delimiter, offsets, trailing)


def _expected(
    names: set[str], prefix: str, delimiter: str, offsets: tuple[str, str], trailing: bool
) -> tuple[list[str], set[str]]:
    items, prefixes = [], set()
    for name in sorted(names):
        if not name.startswith(prefix) or name < offsets[0] or (offsets[1] and name >= offsets[1]):
            continue
        rest = name[len(prefix) :]
        if delimiter and delimiter in rest:
            common = prefix + rest.split(delimiter)[0] + delimiter
            prefixes.add(common)
            if not (trailing and name == common):
                continue
        items.append(name)
    return items, prefixes


def test_globs_match_and_unknown_page_tokens_are_refused(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    for name in ("a.csv", "b.txt", "d/a.csv", "d/e/a.csv"):
        bucket.blob(name).upload_from_string(b"")
    for glob, expected in (
        ("*.csv", ["a.csv"]),
        ("**.csv", ["a.csv", "d/a.csv", "d/e/a.csv"]),
        ("d/*/?.csv", ["d/e/a.csv"]),
        ("[ab].{csv,txt}", ["a.csv", "b.txt"]),
    ):
        assert [blob.name for blob in bucket.list_blobs(match_glob=glob)] == expected
    answer = httpx.get(f"{storage_server.url}/storage/v1/b/{bucket.name}/o", params={"pageToken": "!"})
    assert answer.status_code == 400
