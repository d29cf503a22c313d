"""The function's settings: reads the environment into one frozen, validated Config."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


class ConfigError(Exception):
    """A setting is missing or invalid; the message is one sentence that names it."""


@dataclass(frozen=True)
class Config:
    """Durations are wall-clock seconds. With an empty ``outcome_topic``, outcomes go to the log only.

    ``launch``: start a run per window, or never, because a run of the job ``continuous_job_id`` takes files all the time.
    """

    job_id: int
    source_prefix: str = "source/"
    archive_prefix: str = "archive/"
    rejected_prefix: str = "rejected/"
    outcome_topic: str = ""
    launch: Literal["window", "never"] = "window"
    continuous_job_id: int | None = None
    launch_window_seconds: int = 30
    max_bad_row_ratio: float = 0.1
    sweep_grace_seconds: int = 600
    source_bucket: str = ""
    federation_audience: str = ""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Config:
        """An empty setting counts as not set. Raises ConfigError."""
        values: dict[str, Any] = {}
        for name, (field, convert, expected) in _SETTINGS.items():
            text = environment.get(name, "").strip()
            try:
                if text:
                    values[field] = convert(text)
            except ValueError:
                raise ConfigError(f"The setting {name} is {text!r}; expected {expected}.") from None
        if "job_id" not in values:
            raise ConfigError(
                "The setting DATABRICKS_JOB_ID is missing; set it to the id of the order tracking job (a whole number)."
            )
        config = cls(**values)
        if config.launch == "never" and config.continuous_job_id is None:
            raise ConfigError(
                "The setting CONTINUOUS_JOB_ID is missing; with LAUNCH=never, set it to the id of the continuous job."
            )
        _require_separate_prefixes(config)
        return config


def _number(kind: type[int] | type[float], least: int, most: float = math.inf) -> Callable[[str], float]:
    def convert(text: str) -> float:
        number = kind(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return convert


def _matching(pattern: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return convert


_PREFIX = (_matching("[^/].*/"), "a prefix of object names that ends with / and doesn't begin with one")
_SETTINGS: Mapping[str, tuple[str, Callable[[str], Any], str]] = {
    "DATABRICKS_JOB_ID": ("job_id", _number(int, 1), "the id of the job, a whole number"),
    "SOURCE_PREFIX": ("source_prefix", *_PREFIX),
    "ARCHIVE_PREFIX": ("archive_prefix", *_PREFIX),
    "REJECTED_PREFIX": ("rejected_prefix", *_PREFIX),
    "OUTCOME_TOPIC": ("outcome_topic", _matching("projects/[^/]+/topics/[^/]+"), "projects/PROJECT/topics/TOPIC"),
    "LAUNCH": ("launch", _matching("window|never"), "window or never"),
    "CONTINUOUS_JOB_ID": ("continuous_job_id", _number(int, 1), "the id of the continuous job, a whole number"),
    "LAUNCH_WINDOW_SECONDS": ("launch_window_seconds", _number(int, 1, 55), "a whole number of seconds from 1 to 55"),
    "MAX_BAD_ROW_RATIO": ("max_bad_row_ratio", _number(float, 0, 1), "a number from 0 to 1"),
    "SWEEP_GRACE_SECONDS": ("sweep_grace_seconds", _number(int, 0), "a whole number of seconds"),
    "SOURCE_BUCKET": ("source_bucket", str, "the name of a bucket"),
    "DATABRICKS_FEDERATION_AUDIENCE": ("federation_audience", str, "the audience of the federation policy"),
}
"""By name: the field of Config, the conversion (raises ValueError), and what is expected."""


def _require_separate_prefixes(config: Config) -> None:
    """A moved file raises an event, too: if one prefix contained another, it would be validated in an endless loop."""
    names = ("SOURCE_PREFIX", "ARCHIVE_PREFIX", "REJECTED_PREFIX")
    prefixes = (config.source_prefix, config.archive_prefix, config.rejected_prefix)
    for (name, prefix), (other_name, other) in itertools.permutations(zip(names, prefixes, strict=True), 2):
        if prefix.startswith(other):
            raise ConfigError(f"The setting {name} ({prefix!r}) is inside {other_name} ({other!r}); use separate prefixes.")
