"""What one story runs in: a bucket of the real storage server, the real function, real tables, and the workers' runs."""

from __future__ import annotations

import contextlib
import json
import logging
import random
import secrets
import shutil
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from google.api_core.exceptions import NotFound

from functions.config import Config
from functions.dependencies import Dependencies
from functions.handler import handle_upload
from functions.sweep import sweep
from infra.local.demo.tables import read_table
from spark_jobs.cloud.gcs import GcsFileStore
from spark_jobs.cloud.ports import TransientError
from spark_jobs.cloud.pubsub import LogAnnouncer
from spark_jobs.contract.file_ids import FileId
from tests import oracle
from tests.chaos import story
from tests.chaos.comparison import Found, HandChange, Sent, SentFile, findings
from tests.chaos.worker import Journal
from tests.chaos.workers import Guard, Worker
from tests.fakes.job import FakeJob
from tests.storage_fixtures import client_for, storage_process

ROUNDS_TO_REST = 8
PARKED_HOURS = 25
"""Longer than a parked file ever waits."""
SHORT_HOURS = 2


class Stage:
    """What stories share because it is slow to start: the storage server and two workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = storage_process(folder / "storage").start()
        self.guard = Guard()
        self.guard.send(f"+{self.storage.pid}")
        self.workers = [self.new_worker(), self.new_worker()]

    def new_worker(self) -> Worker:
        return Worker(self.guard, self.storage.url, self.folder / "workers.log")

    def replace(self, worker: Worker) -> None:
        worker.end()
        self.workers = [self.new_worker() if each is worker else each for each in self.workers]

    def end(self) -> None:
        for worker in self.workers:
            worker.end()
        self.guard.end()
        self.storage.stop()


class Environment:
    """``away``: the worker whose run is suspended or runs beside the story, with what was done when it began."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        name = f"chaos-{secrets.token_hex(6)}"
        self.folder = stage.folder / name
        (self.folder / "warehouse").mkdir(parents=True)
        self.warehouse, self.journal = self.folder / "warehouse", self.folder / "messages"
        self.bucket = client_for(stage.storage.url).create_bucket(name)
        self.sent = Sent(frozenset({story.BAD_NAME}))
        self.late: list[FileId] = []
        self.clocks = {"function": 0, "job": 0}
        self.hours, self.hours_file = 0, self.folder / "hours"
        self._pass(0)
        self.away: Worker | None = None
        self.away_how, self.done_before = "", frozenset[str]()
        self.seen: Counter[str] = Counter()
        self.failures: list[str] = []
        self.function = Dependencies(
            config=Config(1, sweep_grace_seconds=0, source_bucket=name, launch_window_seconds=1),
            store=GcsFileStore(client_for(stage.storage.url)),
            job=FakeJob(),
            announcer=Journal(LogAnnouncer(), self.journal),
            now=lambda: self._now("function"),
            elapsed=time.monotonic,
        )

    def live(self, steps: list[story.Step]) -> list[str]:
        """Go through a story, come to rest, compare. The findings."""
        try:
            for step in steps:
                self.do(step)
            self.rest()
            return self.failures + findings(self.sent, self.look())
        finally:
            self._faults([])
            if self.away:
                self.stage.replace(self.away)

    def clean(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def do(self, step: story.Step) -> None:
        self.seen[type(step).__name__] += 1
        match step:
            case story.Upload():
                self._upload(step)
            case story.Delete(name):
                before = self._sent_as(name)
                with contextlib.suppress(NotFound):
                    self.bucket.blob(name).delete()
                self._taken_back(before)
            case story.DeliverEvents(seed):
                late, self.late = sorted(self.late), []
                random.Random(seed).shuffle(late)
                self._deliver(late)
            case story.Sweep():
                self._sweep()
            case story.ArmFaults():
                self._faults(step.as_json())
            case story.Run():
                self._run(step)
            case story.Resume():
                self._join()
            case story.SetClocks(function, job):
                self.clocks = {"function": function, "job": job}
            case story.LetHoursPass(hours):
                # No promise covers a run that is suspended for more than a day.
                self._pass(min(hours, SHORT_HOURS) if self.away else hours)
            case story.Maintain(action, table):
                self._maintain(action, table)
            case story.ChangeByHand(action, key):
                self._change_by_hand(action, key)
            case story.Retry():
                if self._table("orders_attempts") and (worker := self._free()):
                    waiting = [f"{self.bucket.name}/{b.name}#{b.generation}" for b in self._list("source/") if b.size]
                    if waiting:
                        worker.ask({**self._place(), "retry": waiting})

    # The sender

    def _upload(self, step: story.Upload) -> None:
        content, before = story.content_of(step.kind, step.seed), self._sent_as(step.name)
        # A different upload method than the product's, so that faults don't match it.
        url = f"{self.stage.storage.url}/upload/storage/v1/b/{self.bucket.name}/o"
        answer = httpx.post(url, params={"uploadType": "media", "name": step.name}, content=content)
        stored = answer.raise_for_status().json()
        file = FileId(self.bucket.name, step.name, int(stored["generation"]))
        self.sent.files[str(file)] = SentFile(content, datetime.fromisoformat(stored["timeCreated"]))
        self._taken_back(before)
        if step.event == "later":
            self.late.append(file)
        elif step.event != "lost":
            self._deliver([file] * (2 if step.event == "twice" else 1))

    def _sent_as(self, name: str) -> list[str]:
        """The files that were ever sent under this name."""
        return [file for file in self.sent.files if file.rpartition("#")[0] == f"{self.bucket.name}/{name}"]

    def _taken_back(self, files: list[str]) -> None:
        """What is gone now and was not moved, the sender has just replaced or deleted: moves are atomic."""
        names = [blob.name for folder in ("archive/", "rejected/") for blob in self._list(folder)]
        for file in files:
            generation = file.rpartition("#")[2]
            moved = any(f".{generation}" in name and not name.endswith(".report.json") for name in names)
            self.sent.files[file].taken_back |= not moved

    # The function

    def _deliver(self, files: list[FileId]) -> None:
        for file in files:
            try:
                handle_upload(file, self.function)
            except TransientError:
                self.late.append(file)  # Eventarc delivers it again

    def _sweep(self) -> None:
        with contextlib.suppress(TransientError):
            sweep(secrets.token_hex(8), self.function)

    def _faults(self, faults: list[dict[str, Any]]) -> None:
        url = f"{self.stage.storage.url}/_local/faults"
        (httpx.post(url, json=faults) if faults else httpx.delete(url)).raise_for_status()

    def _now(self, who: str) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.clocks[who], hours=self.hours)

    def _pass(self, hours: int) -> None:
        self.hours += hours
        whole = self.hours_file.with_suffix(".new")  # a run may read it at any time
        whole.write_text(str(self.hours))
        whole.replace(self.hours_file)

    # The job

    def _place(self) -> dict[str, Any]:
        return {
            "bucket": self.bucket.name,
            "warehouse": str(self.warehouse),
            "journal": str(self.journal),
            "clock": self.clocks["job"],
            "passed": str(self.hours_file),
        }

    def _free(self) -> Worker:
        return next(worker for worker in self.stage.workers if worker is not self.away)

    def _run(self, step: story.Run) -> None:
        if step.how in {"suspended", "beside"}:
            self._join()
        plan = [(step.at, "killed" if step.how == "killed" else "suspended")] if step.at else []
        plan += [(step.then, "killed")] if step.then else []
        command = {"plan": plan, "small": step.small, "batch_files": step.batch_files, "unpublished": step.unpublished}
        worker, done = self._free(), self._done()
        self.seen["runs"] += 1
        worker.send({**self._place(), **command})
        if step.how == "beside":
            self.away, self.away_how, self.done_before = worker, "beside", done
            return
        answer = worker.answer()
        if "suspended" in answer:
            self.seen["suspensions"] += 1
            self.away, self.away_how, self.done_before = worker, answer["suspended"], done
        else:
            self._ended(worker, answer)

    def _join(self) -> None:
        if worker := self.away:
            if self.away_how != "beside":
                worker.resume()
            self._ended(worker, worker.answer())
            self.away = None

    def _ended(self, worker: Worker, answer: dict[str, Any]) -> bool:
        if "killed" in answer:
            self.seen["kills"] += 1
            self.stage.replace(worker)
        self.seen["failed runs"] += "failed" in answer
        return "done" in answer

    # Other users of the tables

    def _maintain(self, action: str, table: str) -> None:
        """VACUUM destroys files that a run needs, and no promise covers that: only Delta's own retention protects them."""
        at_rest = self.away is None or (table == "orders_stage" and self.away_how in story.STEPS_OF_A_RUN)
        if not self._table(table) or (action == "VACUUM" and not at_rest) or (self.away_how == "beside" and self.away):
            return
        everything = action == "VACUUM" and table != "orders_target"
        self.sent.vacuumed |= everything and table == "orders_stage"
        retain = " RETAIN 0 HOURS" if everything else ""
        check = {"spark.databricks.delta.retentionDurationCheck.enabled": "false"}
        self._free().ask({"sql": f"{action} delta.`{self.warehouse / table}`{retain}", "settings": check})

    def _change_by_hand(self, action: str, key: str) -> None:
        """Only while no run is at work: otherwise the order is unknown. A suspended run does nothing."""
        if not self._table("orders_target") or (self.away and self.away_how == "beside"):
            return
        target, where = f"delta.`{self.warehouse / 'orders_target'}`", f"WHERE tracking_num = '{key}'"
        by_hand = (
            f"DELETE FROM {target} {where}" if action == "DELETE" else f"UPDATE {target} SET address = 'by hand' {where}"
        )
        self._free().ask({"sql": by_hand})
        rows = [row for row in self._target() if row["tracking_num"] == key]
        done = self.done_before if self.away else self._done()
        change = HandChange(key, rows[0] if rows else None, done, frozenset(self.sent.files), self.away is not None)
        self.sent.by_hand.append(change)

    # At the end

    def rest(self) -> None:
        """Without faults and with correct clocks, run until a run changes nothing."""
        self._faults([])
        self._join()
        self.clocks, self.late = {"function": 300, "job": 0}, []
        for _ in range(ROUNDS_TO_REST):
            self._pass(PARKED_HOURS)
            self._sweep()
            self.seen["runs"] += 1
            worker = self._free()
            worker.send(self._place())
            answer = worker.answer()
            if not self._ended(worker, answer):
                self.failures = [f"a run fails although no fault is active: {answer}"]
            elif not answer["done"] and not any(blob.size for blob in self._list("source/")):
                self.failures = []
                return
        self.failures.append(f"the story did not come to rest in {ROUNDS_TO_REST} runs")

    def look(self) -> Found:
        changes = self._free().ask({**self._place(), "changes": True}) if self._table("orders_target") else []
        messages = self.journal.read_text().splitlines() if self.journal.exists() else []
        return Found(
            self._target(),
            self._table("orders_ingest_log"),
            [row for row in self._table("orders_attempts") if row["batch_id"][:1].isdigit()],
            self._table("orders_rejected_rows", "file_id, row_number"),
            [(file, number, inserted) for file, number, inserted in changes],
            [json.loads(message) for message in messages],
            {blob.name: blob.download_as_bytes() for blob in self._list("")},
        )

    def _done(self) -> frozenset[str]:
        return frozenset(line["file_id"] for line in self._table("orders_ingest_log", "file_id"))

    def _target(self) -> list[oracle.Row]:
        return self._table("orders_target", ", ".join(oracle.COLUMNS))

    def _table(self, name: str, columns: str = "*") -> list[dict[str, Any]]:
        return read_table(self.warehouse, name, columns)

    def _list(self, prefix: str) -> list[Any]:
        return list(self.bucket.list_blobs(prefix=prefix))


def quiet() -> None:
    logging.getLogger("spark_jobs").setLevel(logging.CRITICAL)
    logging.getLogger("functions").setLevel(logging.CRITICAL)
