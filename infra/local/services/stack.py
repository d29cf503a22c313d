"""The local stack: start the servers in order, watch them, and stop them all.

    with Stack(StackFolder(Path(".data/local")), Settings(), ports={}) as stack:
        print(stack.addresses.storage)
        stack.run_until_stopped()

Entering the context returns when the stack accepts uploads. Leaving it never leaves a process behind: servers get TERM,
then KILL. If this process is killed, the servers' guards end them (`guard`).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from infra.local.folder import Addresses, StackFolder
from infra.local.listening import HOST
from infra.local.services.definitions import (
    REPOSITORY,
    Service,
    Settings,
    console_service,
    function_services,
    jobs_service,
    pubsub_service,
    remove_cloud_settings,
    storage_service,
)
from infra.local.services.ports import choose_ports
from infra.local.services.process import ServerFailed, ServerProcess
from infra.local.services.pubsub import (
    CHANGES_TOPIC,
    OUTCOME_SUBSCRIPTION,
    OUTCOME_TOPIC,
    create_topics,
    find_emulator,
)
from infra.local.services.sweep_schedule import start_ticks
from spark_jobs.store.java import find_java

INGEST_JOB = "order_tracking_ingest"
CONTINUOUS_JOB = "order_tracking_live"
"""The jobs' keys in the bundle."""

STOP_SECONDS = 8.0
WATCH_SECONDS = 0.2


class Interrupted(Exception):
    """The stack was stopped while it was still starting."""


class Stack:
    """A stack on one data folder. Set ``stopping`` to end it; ``report`` is called with progress messages."""

    addresses: Addresses
    """Set when the stack is running."""

    def __init__(
        self,
        folder: StackFolder,
        settings: Settings,
        ports: Mapping[str, int | None],
        *,
        fresh: bool = False,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.stopping = threading.Event()
        self._requested_ports = ports
        self._fresh = fresh
        self._report = report
        self._servers: dict[str, ServerProcess] = {}
        self._cleanup = ExitStack()

    def __enter__(self) -> Stack:
        """Raises JavaError, PortTaken, AlreadyRunning, ServerFailed or Interrupted; then nothing is left running."""
        try:
            self._start()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._cleanup.close()

    def run_until_stopped(self) -> None:
        """Wait until ``stopping`` is set. Raises ServerFailed, with the last log lines, if a server ends on its own."""
        while not self.stopping.wait(WATCH_SECONDS):
            self.check()

    def check(self) -> None:
        """Raises ServerFailed if a server has ended."""
        for name, server in self._servers.items():
            if not server.running():
                raise ServerFailed(
                    f"{name} ended unexpectedly (status {server.returncode()}); "
                    f"last lines of {self._log(name)}:\n{server.tail()}"
                )

    def kill(self) -> None:
        """Kill all servers at once."""
        for server in list(self._servers.values()):
            server.kill()

    def stop_on_signals(self) -> None:
        """Call in the main thread: the first Ctrl-C or SIGTERM stops the stack cleanly, the second one kills it."""

        def stop(number: int, _frame: FrameType | None) -> None:
            if self.stopping.is_set():
                self.kill()
                os._exit(128 + number)
            self.stopping.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup, the terminal may close
            signal.signal(signal.SIGHUP, stop)

    def _start(self) -> None:
        java = find_java().home
        emulator = find_emulator()
        self._cleanup.enter_context(self.folder.taken())
        # Only now: the servers of a killed stack keep their ports until they have ended.
        ports = choose_ports(self._requested_ports)
        if self._fresh:
            self.folder.wipe()
        remove_cloud_settings(os.environ)
        self._cleanup.callback(self._stop_servers)

        first = [
            storage_service(self.folder, self.settings, ports, pubsub=bool(emulator)),
            jobs_service(self.folder, self.settings, ports, java, pubsub=bool(emulator)),
        ]
        if emulator:
            first.append(pubsub_service(emulator, java, ports))
        self._start_together(first)
        if emulator:
            create_topics(f"{HOST}:{ports.pubsub}")
        job_id = _job_id(self._servers["jobs"], INGEST_JOB)
        continuous_job_id = _job_id(self._servers["jobs"], CONTINUOUS_JOB) if self.settings.live else None
        console = console_service(self.folder, self.settings, ports, continuous_job_id or job_id)
        functions = function_services(self.settings, ports, job_id, continuous_job_id, pubsub=bool(emulator))
        self._start_together([*functions, console])

        self.addresses = Addresses(
            pid=os.getpid(),
            console=f"http://{HOST}:{ports.console}",
            bucket=self.settings.bucket,
            storage=f"http://{HOST}:{ports.storage}",
            jobs=f"http://{HOST}:{ports.jobs}",
            job_id=job_id,
            function=f"http://{HOST}:{ports.function}",
            sweep_function=f"http://{HOST}:{ports.sweep}",
            pubsub=f"{HOST}:{ports.pubsub}" if emulator else None,
            outcome_topic=OUTCOME_TOPIC if emulator else None,
            outcome_subscription=OUTCOME_SUBSCRIPTION if emulator else None,
            changes_topic=CHANGES_TOPIC if emulator and self.settings.publishes_changes else None,
            warehouse=str(self.folder.warehouse),
            logs=str(self.folder.logs),
        )
        self._cleanup.callback(start_ticks(self.addresses.sweep_function, self.settings.sweep_every_seconds).set)
        self._cleanup.callback(self.folder.withdraw)
        self.folder.publish(self.addresses)

    def _start_together(self, services: Sequence[Service]) -> None:
        """Start the servers. If one fails, or the stack is stopped meanwhile, stop them all and raise."""
        for service in services:
            self._servers[service.name] = self._server(service)
        with ThreadPoolExecutor(len(services)) as pool:
            pending = {pool.submit(self._start_one, service.name) for service in services}
            while pending:
                done, pending = wait(pending, WATCH_SECONDS, FIRST_EXCEPTION)
                failed = next((error for one in done if (error := one.exception())), None)
                if failed or self.stopping.is_set():
                    self._stop_servers()
                    raise failed or Interrupted

    def _start_one(self, name: str) -> None:
        server = self._servers[name]
        try:
            server.start()
        except ServerFailed as error:
            raise ServerFailed(f"{name} failed to start; last lines of {self._log(name)}:\n{server.tail()}") from error
        self._report(f"{name} is ready")

    def _server(self, service: Service) -> ServerProcess:
        guard = [sys.executable, "-m", "infra.local.services.guard", f"--parent={os.getpid()}"]
        guard.append(f"--lock={self.folder.children_lock}")
        if not service.says_ready:
            guard.append(f"--ready={service.port}")
        return ServerProcess(
            [*guard, "--", *service.command],
            env=service.environment,
            cwd=REPOSITORY,
            log_file=self._log(service.name),
            ready_timeout=service.ready_seconds,
            stop_timeout=STOP_SECONDS,
        )

    def _log(self, name: str) -> Path:
        return self.folder.logs / f"{name}.log"

    def _stop_servers(self) -> None:
        """Stop all servers at the same time. The order does not matter, because every step is idempotent."""
        servers = list(self._servers.values())
        with ThreadPoolExecutor(max(1, len(servers))) as pool:
            list(pool.map(ServerProcess.stop, servers))


def _job_id(jobs: ServerProcess, key: str) -> int:
    """The id of the job with this key, from the jobs server's ready line: ``ready http://… job.KEY=N``."""
    for word in jobs.ready_line.split():
        name, _, value = word.partition("=")
        if name == f"job.{key}" and value.isdigit():
            return int(value)
    raise ServerFailed(f"the jobs server has no job {key}: {jobs.ready_line}")
