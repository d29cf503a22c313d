"""Runs inside the wheel's environment: calls one entry point, as Databricks does. Standard library only.

    python -P runner.py ORDER_FILE RESULT_FILE < a pipe that the server holds open

(-P, or the wheel would find the files beside this one.)

The order is JSON: {"package_name", "entry_point", "parameters"}. The entry point is looked up by name in the
distribution's metadata and called as a function, with sys.argv = [entry_point, *parameters]; what it returns is
ignored. Returning is success, raising is failure. The result is JSON: {"ok", "error", "error_trace"}; no result
means that the process was ended from outside.
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
    """The server holds the other end of stdin and never writes: end of file means that it is gone, however it went.

    The whole process group goes, Spark's JVM included, or it would work on unseen beside the next server's runs.
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


def call(order: dict[str, Any]) -> dict[str, Any]:
    try:
        function = find_entry_point(order["package_name"], order["entry_point"])
        sys.argv = [order["entry_point"], *order["parameters"]]
        function()
    except SystemExit as stop:
        # Whether the platform forgives a code of 0 depends on its version, so nothing may rely on it.
        trace = traceback.format_exc()
        error = f"SystemExit: {stop.code} (an entry point must return, not exit: Databricks counts exiting as failure)"
        return {"ok": False, "error": error, "error_trace": trace}
    except BaseException as raised:  # noqa: BLE001 - whatever it raises is the run's result
        last = traceback.format_exception_only(type(raised), raised)[-1].strip()
        return {"ok": False, "error": last, "error_trace": traceback.format_exc()}
    return {"ok": True, "error": "", "error_trace": ""}


def main() -> None:
    die_with_the_server()
    order_file, result_file = Path(sys.argv[1]), Path(sys.argv[2])
    result = call(json.loads(order_file.read_text("utf-8")))
    if not result["ok"]:
        sys.stderr.write(result["error_trace"])
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    part = result_file.with_suffix(".part")
    part.write_text(json.dumps(result), "utf-8")
    part.replace(result_file)
    # Not sys.exit: the platform doesn't wait for threads that the entry point left behind, nor runs exit hooks.
    os._exit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
