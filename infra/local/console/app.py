"""The addresses of the console."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from anyio.to_thread import run_sync
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from functions.validation.upload import validate_upload
from infra.local import uploads
from infra.local.console.histories import shown_file
from infra.local.console.live import gather
from infra.local.console.protection import Protection
from infra.local.console.runs import Runs
from spark_jobs.cloud.ports import FileRefused, FileStore, TransientError
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.reports import build_report
from spark_jobs.operator.bucket_answers import with_bucket
from spark_jobs.queries.engine import Engine
from spark_jobs.report.gather import gather as ask_all
from spark_jobs.report.page import render, style
from spark_jobs.report.values import as_json, as_moment
from spark_jobs.settings import IngestSettings, SettingsError

if TYPE_CHECKING:
    from google.cloud import storage

HERE = Path(__file__).parent
MAX_UPLOAD_BYTES = 256 * 1024 * 1024
SHOWN_VIOLATIONS = 50


@dataclass(frozen=True)
class Sources:
    """What the console reads from and uploads with. ``now`` returns an aware time."""

    settings: IngestSettings
    store: FileStore
    engine: Engine
    runs: Runs
    uploads: storage.Client
    max_bad_row_ratio: float = 0.1
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Console:
    """Its pages are plain functions, which Starlette calls in threads: all clients block."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._reading = threading.Lock()  # the engine has one connection, the runs one cache
        self._templates = Jinja2Templates(HERE / "templates")
        self._templates.env.filters.update(iso=as_json, moment=as_moment, ago=self._ago, segment=_segment)

    def application(self, port: int) -> Starlette:
        """The application, which answers only requests to this port of this machine."""
        return Starlette(
            routes=[
                Route("/", self.overview),
                Route("/live", self.live),
                Route("/files/{name:path}", self.file),
                Route("/check", self.check, methods=["POST"]),
                Route("/upload", self.upload, methods=["POST"]),
                Route("/report.css", lambda _: PlainTextResponse(style(), media_type="text/css")),
                Mount("/static", StaticFiles(directory=HERE / "static")),
            ],
            middleware=[Middleware(Protection, port=port)],
            exception_handlers={HTTPException: self._sentence},
        )

    def overview(self, _request: Request) -> Response:
        """The report's page, with what is live above the answers."""
        of = self._sources
        live = Markup(self._live())  # noqa: S704 - from a template
        with self._reading:
            answers = ask_all(of.engine, list(FEEDS.values()), of.now(), of.settings.warehouse)
        try:
            answers = with_bucket(answers, of.store, of.settings.layout)
        except (TransientError, FileRefused) as error:
            answers = replace(answers, missing=[f"the bucket can't be read: {error}"])
        script, more_style = ((HERE / "static" / name).read_text("utf-8") for name in ("console.js", "console.css"))
        page = render(
            answers,
            "overview.html",
            self._templates.env.loader,
            scripts=[script],
            styles=[more_style],
            policy={"connect-src": "'self'"},
            live=live,
        )
        return HTMLResponse(page)

    def live(self, _request: Request) -> Response:
        """The part of the overview that changes; the page replaces it every few seconds."""
        return HTMLResponse(self._live())

    def _live(self) -> str:
        of = self._sources
        with self._reading:
            live = gather(of.store, of.engine, of.runs, of.settings.layout, of.now())
        return self._templates.get_template("live.html").render(live=live)

    def file(self, request: Request) -> Response:
        of = self._sources
        key, ties = request.query_params.get("key", "").strip(), "ties" in request.query_params
        name = request.path_params["name"]
        try:
            with self._reading:
                shown = shown_file(of.store, of.engine, of.settings, name, key, ties=ties)
        except SettingsError as error:
            raise HTTPException(404, str(error)) from None
        return self._templates.TemplateResponse(request, "file.html", {"file": shown, "key": key})

    async def check(self, request: Request) -> Response:
        """The report of a file (the request's body) as if it were uploaded now as ``name``, as `functions.check` does."""
        return JSONResponse(await run_sync(self._report, _name(request), await _body(request)))

    def _report(self, name: str, content: bytes) -> dict[str, Any]:
        arrival, ratio = self._sources.now(), self._sources.max_bad_row_ratio
        result = validate_upload(
            io.BytesIO(content), name=name, arrival=arrival, max_bad_row_ratio=ratio, size=len(content)
        )
        seconds = (self._sources.now() - arrival).total_seconds()
        report = build_report(name, result, seconds=seconds, arrival=arrival)
        return report | {"violations": report["violations"][:SHOWN_VIOLATIONS]}

    async def upload(self, request: Request) -> Response:
        """Uploads the request's body as ``name`` below source/, with the official client, as any sender would."""
        name, content = _name(request), await _body(request)
        of = self._sources
        bucket = of.settings.layout.bucket
        new = await run_sync(uploads.upload_object, of.uploads, bucket, name, content)
        return JSONResponse({"file": new.file_id, "name": new.name, "size": new.size})

    def _sentence(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
        if request.method == "POST":
            return JSONResponse({"error": error.detail}, error.status_code)
        shown = {"problem": error.detail, "status": error.status_code}
        return self._templates.TemplateResponse(request, "problem.html", shown, status_code=error.status_code)

    def _ago(self, time: datetime) -> str:
        """How long ago that was, in one unit."""
        seconds = max((self._sources.now() - time).total_seconds(), 0)
        for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
            if seconds >= length:
                return f"{seconds // length:.0f} {unit} ago"
        return f"{seconds:.0f} s ago"


def _name(request: Request) -> str:
    name = request.query_params.get("name", "")
    if not name or len(name.encode()) > 900:
        raise HTTPException(400, "name the file: ?name=order_tracking_2026_01_31.csv")
    return name


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_UPLOAD_BYTES:
            raise HTTPException(
                413, f"this form takes files up to {MAX_UPLOAD_BYTES // 1024**2} MiB; use any storage client"
            )
        parts.append(part)
    return b"".join(parts)


def _segment(name: str) -> str:
    """A name as one part of an address: browsers would resolve ``..`` between slashes."""
    return quote(name, safe="")
