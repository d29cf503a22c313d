"""Settings: an error names the missing or invalid one."""

import pytest

from functions.config import Config, ConfigError

GOOD = {"DATABRICKS_JOB_ID": "77"}


def test_only_the_job_id_is_required_and_the_rest_has_the_documented_defaults() -> None:
    assert Config.read(GOOD) == Config(
        job_id=77,
        source_prefix="source/",
        archive_prefix="archive/",
        rejected_prefix="rejected/",
        outcome_topic="",
        launch_window_seconds=30,
        max_bad_row_ratio=0.1,
        sweep_grace_seconds=600,
        source_bucket="",
        launch="window",
        continuous_job_id=None,
    )


def test_an_empty_setting_counts_as_not_set() -> None:
    assert Config.read({**GOOD, "SOURCE_PREFIX": "", "MAX_BAD_ROW_RATIO": " "}) == Config.read(GOOD)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABRICKS_JOB_ID", ""),
        ("DATABRICKS_JOB_ID", "abc"),
        ("DATABRICKS_JOB_ID", "0"),
        ("SOURCE_PREFIX", "source"),
        ("ARCHIVE_PREFIX", "/archive/"),
        ("OUTCOME_TOPIC", "outcomes"),
        ("LAUNCH_WINDOW_SECONDS", "0"),
        ("LAUNCH_WINDOW_SECONDS", "1.5"),
        ("LAUNCH_WINDOW_SECONDS", "60"),
        ("MAX_BAD_ROW_RATIO", "10%"),
        ("MAX_BAD_ROW_RATIO", "nan"),
        ("MAX_BAD_ROW_RATIO", "1.1"),
        ("SWEEP_GRACE_SECONDS", "-1"),
        ("LAUNCH", "sometimes"),
        ("CONTINUOUS_JOB_ID", "none"),
    ],
)
def test_a_missing_or_wrong_setting_is_one_sentence_that_names_it(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as error:
        Config.read({**GOOD, name: value})
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize("archive", ["source/", "source/archive/"])
def test_a_prefix_inside_another_is_refused_because_moved_files_would_be_validated_again(archive: str) -> None:
    with pytest.raises(ConfigError, match=r"ARCHIVE_PREFIX.*is inside SOURCE_PREFIX|SOURCE_PREFIX.*inside ARCHIVE"):
        Config.read({**GOOD, "ARCHIVE_PREFIX": archive})


def test_a_function_that_never_launches_needs_to_know_the_job_whose_run_is_always_alive() -> None:
    with pytest.raises(ConfigError, match="CONTINUOUS_JOB_ID is missing"):
        Config.read({**GOOD, "LAUNCH": "never"})
    assert Config.read({**GOOD, "LAUNCH": "never", "CONTINUOUS_JOB_ID": "88"}).continuous_job_id == 88
