"""File ids as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.file_ids import FileId

object_names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=300)
generations = st.integers(0, 2**63 - 1)


@given(st.from_regex(r"[a-z0-9._-]{3,63}", fullmatch=True), object_names, generations)
def test_parse_is_the_inverse_of_str(bucket: str, name: str, generation: int) -> None:
    file = FileId(bucket, name, generation)
    assert FileId.parse(str(file)) == file


@pytest.mark.parametrize(
    "text", ["", "b/n", "b#1", "/n#1", "b/#1", "b/n#", "b/n#-1", "b/n#1.0", "b/n#١", "b/n# 1", "b/n#1 "]
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a file id"):
        FileId.parse(text)
