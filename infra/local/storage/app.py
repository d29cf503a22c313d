"""Route requests to handlers. ApiErrors become the service's error JSON here, and only here."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.local.faults import FaultMiddleware
from infra.local.storage import admin_api, bucket_api, copy_api, object_api, routes, upload_api
from infra.local.storage.answers import json_response
from infra.local.storage.batch_api import batch
from infra.local.storage.calls import Call
from infra.local.storage.errors import ApiError, NotModified, invalid, not_implemented
from infra.local.storage.service import Service

log = logging.getLogger(__name__)
_FAILED = ApiError(500, "internalError", "The local storage server failed; see its log.")

Handler = Callable[[Call], Awaitable[ASGIApp]]

HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "buckets"): bucket_api.list_all,
    ("POST", "buckets"): bucket_api.insert,
    ("GET", "bucket"): bucket_api.get,
    ("DELETE", "bucket"): bucket_api.delete,
    ("GET", "storageLayout"): bucket_api.storage_layout,
    ("GET", "managedFolders"): bucket_api.managed_folders,
    ("GET", "objects"): object_api.list_all,
    ("POST", "objects"): upload_api.upload,
    ("GET", "object"): object_api.get,
    ("PATCH", "object"): object_api.patch,
    ("PUT", "object"): object_api.patch,
    ("DELETE", "object"): object_api.delete,
    ("GET", "media"): object_api.media,
    ("POST", "copyTo"): copy_api.copy,
    ("POST", "rewriteTo"): copy_api.rewrite,
    ("POST", "moveTo"): copy_api.move,
    ("POST", "compose"): copy_api.compose,
    ("POST", "upload"): upload_api.upload,
    ("PUT", "upload"): upload_api.upload,
    ("DELETE", "upload"): upload_api.upload,
}


def make_app(service: Service) -> ASGIApp:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer: ASGIApp
        try:
            answer = await _dispatch(service, Request(scope, receive), application)
        except NotModified:
            answer = Response(status_code=304)
        except ApiError as error:
            answer = json_response(error.body(), error.status, error.headers)
        except UnicodeEncodeError:
            answer = json_response(invalid("The request contains invalid Unicode.").body(), 400)
        except ClientDisconnect:
            return
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            answer = json_response(_FAILED.body(), 500)
        await answer(scope, receive, send)

    return FaultMiddleware(application, service.faults, error_body=_fault_body)


def _fault_body(status: int) -> dict[str, Any]:
    return ApiError(status, "backendError", f"Injected fault: HTTP {status}").body()


async def _dispatch(service: Service, request: Request, application: ASGIApp) -> ASGIApp:
    route = routes.parse(request.scope["raw_path"])
    if route is None:
        raise not_implemented(request.method, request.url.path)
    call = Call(service, request, route)
    if route.kind == "local":
        return await admin_api.local(call)
    if route.kind == "batch" and call.method == "POST":
        return await batch(call, application)
    handler = HANDLERS.get((call.method, route.kind))
    if handler is None:
        raise not_implemented(call.method, request.url.path)
    return await handler(call)
