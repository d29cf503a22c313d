"""Call one entry point inside the wheel's environment, as Databricks does. Standard library only.

    python -P runner.py CALL_FILE RESULT_FILE < a pipe that the server holds open

(Without -P, the wheel could import the modules next to this file.)

The call is JSON: {"package_name", "entry_point", "parameters"}. The entry point is looked up by name in the
distribution's metadata and called as a function, with sys.argv = [entry_point, *parameters]. Its return value is
ignored: returning is success, raising is failure. The result is JSON: {"ok", "error", "error_trace"}; a missing
result means that the process was killed.
"""

import importlib.metadata
import json
import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any


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


def find_entry_point(package_name: str, entry_point: str) -> Any:
    try:
        distribution = importlib.metadata.distribution(package_name)
    except importlib.metadata.PackageNotFoundError:
        raise LookupError(f"the environment has no package {package_name!r}") from None
    found = [point for point in distribution.entry_points if point.name == entry_point]
    if not found:
        names = sorted({point.name for point in distribution.entry_points})
        raise LookupError(
            f"package {package_name!r} has no entry point {entry_point!r} (it has: {', '.join(names) or 'none'})"
        )
    return found[0].load()


def run(call: dict[str, Any]) -> dict[str, Any]:
    try:
        function = find_entry_point(call["package_name"], call["entry_point"])
        sys.argv = [call["entry_point"], *call["parameters"]]
        function()
    except SystemExit as stop:
        # Whether the platform accepts exit code 0 depends on its version, so treat it as a failure.
        trace = traceback.format_exc()
        error = f"SystemExit: {stop.code} (an entry point must return: Databricks counts exiting as a failure)"
        return {"ok": False, "error": error, "error_trace": trace}
    except BaseException as raised:  # noqa: BLE001 - any exception is the run's result
        last = traceback.format_exception_only(type(raised), raised)[-1].strip()
        return {"ok": False, "error": last, "error_trace": traceback.format_exc()}
    return {"ok": True, "error": "", "error_trace": ""}


def main() -> None:
    die_with_the_server()
    call_file, result_file = Path(sys.argv[1]), Path(sys.argv[2])
    result = run(json.loads(call_file.read_text("utf-8")))
    if not result["ok"]:
        sys.stderr.write(result["error_trace"])
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    part = result_file.with_suffix(".part")
    part.write_text(json.dumps(result), "utf-8")
    part.replace(result_file)
    # Not sys.exit: the platform neither waits for threads that the entry point leaves behind nor runs exit hooks.
    os._exit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
