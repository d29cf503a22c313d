"""Storage and Pub/Sub as the function and the job both use them: ports in domain words, one adapter per SDK."""
