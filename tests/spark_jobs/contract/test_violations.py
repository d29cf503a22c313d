"""Violations and their rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.violations import MAX_VALUE_LENGTH, RULES, shorten


@given(st.text(max_size=200))
def test_a_shortened_value_is_short_and_cannot_forge_a_log_line(text: str) -> None:
    shown = shorten(text)
    assert shown.isprintable()
    assert len(shown) <= 10 * MAX_VALUE_LENGTH
    assert not text.isprintable() or len(shown) <= MAX_VALUE_LENGTH


def test_every_rule_has_a_title_an_example_and_a_remedy() -> None:
    for code, rule in RULES.items():
        assert rule.code == code
        assert rule.title
        assert rule.example
        assert rule.remedy.endswith(".")
