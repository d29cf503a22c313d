"""Storage, Pub/Sub and the Jobs API for the function and the job: ports in domain terms, one adapter per SDK."""
