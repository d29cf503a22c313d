"""Log lines in the format of Cloud Logging."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import flask
import pytest

from functions.logs import configure_logging, log_fields
from spark_jobs.contract.file_ids import FileId

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("functions", "spark_jobs")]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate, logger.level = handlers, propagate, level


@pytest.mark.parametrize(
    ("headers", "project", "trace"),
    [
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, "p", f"projects/p/traces/{TRACE}"),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, "", TRACE),
        ({"X-Cloud-Trace-Context": f"{TRACE}/1;o=1"}, "p", f"projects/p/traces/{TRACE}"),
        ({"traceparent": "00-../../x-1-01"}, "p", None),
        ({}, "p", None),
    ],
)
def test_a_line_has_severity_fields_and_the_trace_of_its_request(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
    project: str,
    trace: str | None,
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", project)
    configure_logging()
    with flask.Flask("test").test_request_context(headers=headers):
        logging.getLogger("functions.x").warning("hello", extra=log_fields(FileId("b", 'n\n"', 7), code="required"))
    line = json.loads(capsys.readouterr().out)
    assert (line["severity"], line["message"], line["file"], line["code"]) == ("WARNING", "hello", 'b/n\n"#7', "required")
    assert line.get("logging.googleapis.com/trace") == trace


def test_outside_a_request_a_line_has_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    logging.getLogger("spark_jobs.x").info("hello")
    assert "logging.googleapis.com/trace" not in json.loads(capsys.readouterr().out)
