"""Tables about all feeds: the feeds themselves, and the violation codes."""

from __future__ import annotations

from collections.abc import Iterable

from infra.contracts.markdown import table
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.violations import RULES


def feeds_table(feeds: Iterable[Feed], folder: str) -> str:
    """``folder`` is where the pages of the feeds are, relative to the page with this table."""
    return table(
        ("feed", "file name", "content", "tables"),
        (
            (f"[{feed.title}]({folder}{feed.name}.md)", f"`{feed.file_pattern}`", feed.about, f"`{feed.table_prefix}_*`")
            for feed in feeds
        ),
    )


def codes_table() -> str:
    """All codes, with examples."""
    return table(
        ("code", "scope", "what is wrong", "example", "remedy"),
        (
            (f"`{rule.code}`", "file" if rule.whole_file else "row", rule.title, rule.example, rule.remedy)
            for rule in RULES.values()
        ),
    )
