"""What every test may use: Spark once a session, the local servers as real processes."""

pytest_plugins = ["tests.spark_fixtures", "tests.storage_fixtures", "tests.jobs_fixtures"]
