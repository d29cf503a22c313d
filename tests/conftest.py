"""What every test may use: Spark once a session, the local servers as real processes."""

from hypothesis import settings

pytest_plugins = ["tests.spark_fixtures", "tests.storage_fixtures", "tests.jobs_fixtures", "tests.browser"]
# For `make check`: tests that don't say how many examples they need try fewer.
settings.register_profile("fewer", max_examples=15)
