"""Spark for a command: started only when a table is needed, with a message while it starts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@contextmanager
def spark_session(doing: str = "Reading the log") -> Iterator[SparkSession]:
    """A session for the block; stderr says what the command is ``doing`` meanwhile. Raises SessionError."""
    from rich.console import Console

    from spark_jobs.store.session import open_session

    logging.getLogger("py4j").setLevel(logging.ERROR)
    with Console(stderr=True).status(f"{doing} (Spark takes a few seconds to start)"):
        yield open_session()
