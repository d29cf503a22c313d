"""The function's settings: reads the environment into one frozen, validated Config."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class ConfigError(Exception):
    """A setting is missing or invalid; the message is one sentence that names it."""


@dataclass(frozen=True)
class Config:
    """Durations are wall-clock seconds. With an empty ``outcome_topic``, outcomes go to the log only."""

    job_id: int
    source_prefix: str = "source/"
    archive_prefix: str = "archive/"
    rejected_prefix: str = "rejected/"
    outcome_topic: str = ""
    launch_window_seconds: int = 30
    max_bad_row_ratio: float = 0.1
    sweep_grace_seconds: int = 600
    source_bucket: str = ""
    federation_audience: str = ""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Config:
        """Raises ConfigError."""

        def setting(name: str, convert: Callable[[str], T], default: T, expected: str) -> T:
            text = environment.get(name, "").strip()
            if not text:
                return default
            try:
                return convert(text)
            except ValueError:
                raise ConfigError(f"The setting {name} is {text!r}; expected {expected}.") from None

        if not environment.get("DATABRICKS_JOB_ID", "").strip():
            raise ConfigError(
                "The setting DATABRICKS_JOB_ID is missing; set it to the id of the order tracking job (a whole number)."
            )
        prefix = "a prefix of object names that ends with / and doesn't begin with one"
        config = cls(
            job_id=setting("DATABRICKS_JOB_ID", _whole(1, None), 0, "the id of the job, a whole number"),
            source_prefix=setting("SOURCE_PREFIX", _prefix, "source/", prefix),
            archive_prefix=setting("ARCHIVE_PREFIX", _prefix, "archive/", prefix),
            rejected_prefix=setting("REJECTED_PREFIX", _prefix, "rejected/", prefix),
            outcome_topic=setting("OUTCOME_TOPIC", _topic, "", "projects/PROJECT/topics/TOPIC"),
            launch_window_seconds=setting(
                "LAUNCH_WINDOW_SECONDS", _whole(1, 55), 30, "a whole number of seconds from 1 to 55"
            ),
            max_bad_row_ratio=setting("MAX_BAD_ROW_RATIO", _ratio, 0.1, "a number from 0 to 1"),
            sweep_grace_seconds=setting("SWEEP_GRACE_SECONDS", _whole(0, None), 600, "a whole number of seconds"),
            source_bucket=environment.get("SOURCE_BUCKET", "").strip(),
            federation_audience=environment.get("DATABRICKS_FEDERATION_AUDIENCE", "").strip(),
        )
        _require_separate_prefixes(config)
        return config


def _require_separate_prefixes(config: Config) -> None:
    """A moved file raises an event, too: if one prefix contained another, it would be validated in an endless loop."""
    prefixes = {
        "SOURCE_PREFIX": config.source_prefix,
        "ARCHIVE_PREFIX": config.archive_prefix,
        "REJECTED_PREFIX": config.rejected_prefix,
    }
    for name, prefix in prefixes.items():
        for other_name, other in prefixes.items():
            if name != other_name and prefix.startswith(other):
                raise ConfigError(
                    f"The setting {name} ({prefix!r}) is inside {other_name} ({other!r}); use separate prefixes."
                )


def _whole(least: int, most: int | None) -> Callable[[str], int]:
    def convert(text: str) -> int:
        number = int(text)
        if number < least or (most is not None and number > most):
            raise ValueError(text)
        return number

    return convert


def _ratio(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError(text)
    return number


def _prefix(text: str) -> str:
    if not text.endswith("/") or text.startswith("/"):
        raise ValueError(text)
    return text


def _topic(text: str) -> str:
    if not re.fullmatch(r"projects/[^/]+/topics/[^/]+", text):
        raise ValueError(text)
    return text
