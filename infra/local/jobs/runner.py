"""Call one entry point inside the wheel's environment, as Databricks does. Standard library only.

    python -P runner.py RESULT_FILE PACKAGE ENTRY_POINT PARAMETER… < a pipe that the server holds open

(Without -P, the wheel could import the modules next to this file.)

The entry point is looked up by name in the package's metadata and called as a function, with
sys.argv = [ENTRY_POINT, PARAMETER…]. Its return value is ignored: returning is success, raising is failure. The result
is JSON, an `Outcome` of execution.py; a missing result means that the process was killed.
"""

import importlib.metadata
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path


def die_with_the_server() -> None:
    """End this process group when the server dies. The server holds the other end of stdin and never writes, so end of
    file means that it is gone.

    The group includes Spark's JVM, which would otherwise keep running next to the next server's runs.
    """
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def find_entry_point(package: str, name: str) -> Callable[[], object]:
    for found in importlib.metadata.distribution(package).entry_points.select(name=name):
        return found.load()
    raise LookupError(f"package {package!r} has no entry point {name!r}")


def run(package: str, entry_point: str) -> dict[str, str]:
    """Call the entry point and return the outcome."""
    try:
        find_entry_point(package, entry_point)()
    except SystemExit as stop:
        # Whether the platform accepts exit code 0 depends on its version, so treat it as a failure.
        error = f"SystemExit: {stop.code} (an entry point must return: Databricks counts exiting as a failure)"
        return {"result": "FAILED", "error": error, "error_trace": traceback.format_exc()}
    except BaseException as raised:  # noqa: BLE001 - any exception is the run's result
        error = traceback.format_exception_only(type(raised), raised)[-1].strip()
        return {"result": "FAILED", "error": error, "error_trace": traceback.format_exc()}
    return {"result": "SUCCESS"}


def main() -> None:
    die_with_the_server()
    result_file, package = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[3:]
    outcome = run(package, sys.argv[0])
    sys.stderr.write(outcome.get("error_trace", ""))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    part = result_file.with_suffix(".part")
    part.write_text(json.dumps(outcome), "utf-8")
    part.replace(result_file)
    # Not sys.exit: the platform neither waits for threads that the entry point leaves behind nor runs exit hooks.
    os._exit(0)


if __name__ == "__main__":
    main()
