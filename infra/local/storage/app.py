"""Which handler answers which request. ApiErrors become the service's error JSON here, and only here.

The path is matched while it is still percent-encoded, and its parts are decoded once. `%2F` in an object's name therefore
stays part of the name, and `%252F` is the three characters `%2F`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.local.faults import FaultMiddleware
from infra.local.storage import buckets, downloads, listing, object_api, resumable_uploads, uploads
from infra.local.storage.answers import ApiError, JsonResponse, invalid, required
from infra.local.storage.batches import batch
from infra.local.storage.calls import Call
from infra.local.storage.service import Service

log = logging.getLogger(__name__)

Handler = Callable[[Call], Awaitable[Response]]


async def _upload(call: Call) -> Response:
    if call.query.get("upload_id"):
        return await resumable_uploads.resume(call)
    if call.method != "POST":
        raise required("upload_id")
    match call.query.get("uploadType") or call.query.get("upload_protocol"):
        case "media":
            return await uploads.media(call)
        case "multipart":
            return await uploads.multipart(call)
        case "resumable":
            return await resumable_uploads.begin(call)
        case other:
            raise invalid(f"Invalid upload type: {other!r}")


async def _health(call: Call) -> Response:
    return JsonResponse({"status": "ok", "data_dir": str(call.service.data_dir.resolve())})


async def _events(call: Call) -> Response:
    if call.method == "PUT":
        call.service.events.change(await call.json())
    return JsonResponse(call.service.events.status())


async def _notifications(call: Call) -> Response:
    return JsonResponse(call.service.notifications.status())


async def _unencoded_slash(call: Call) -> Response:
    rest = call.path_params["rest"]
    raise ApiError(404, "notFound", f"An object has no {rest!r}; write a slash in an object's name as %2F")


_BUCKET = "/storage/v1/b/{bucket}"
_OBJECT = f"{_BUCKET}/o/{{name}}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/storage/v1/b", buckets.list_all),
    ("POST", "/storage/v1/b", buckets.insert),
    ("GET", _BUCKET, buckets.get),
    ("PATCH PUT", _BUCKET, buckets.patch),
    ("DELETE", _BUCKET, buckets.delete),
    ("GET", f"{_BUCKET}/storageLayout", buckets.storage_layout),
    ("GET", f"{_BUCKET}/managedFolders", buckets.managed_folders),
    ("POST", f"{_BUCKET}/notificationConfigs", buckets.insert_notification),
    ("GET", f"{_BUCKET}/notificationConfigs", buckets.list_notifications),
    ("GET", f"{_BUCKET}/notificationConfigs/{{id}}", buckets.get_notification),
    ("DELETE", f"{_BUCKET}/notificationConfigs/{{id}}", buckets.delete_notification),
    ("GET", f"{_BUCKET}/o", listing.list_objects),
    ("POST", f"{_BUCKET}/o", _upload),
    ("GET", _OBJECT, object_api.get),
    ("PATCH PUT", _OBJECT, object_api.patch),
    ("DELETE", _OBJECT, object_api.delete),
    ("POST", f"{_OBJECT}/copyTo/b/{{to_bucket}}/o/{{to_name}}", object_api.copy),
    ("POST", f"{_OBJECT}/rewriteTo/b/{{to_bucket}}/o/{{to_name}}", object_api.rewrite),
    ("POST", f"{_OBJECT}/moveTo/o/{{to_name}}", object_api.move),
    ("POST", f"{_OBJECT}/compose", object_api.compose),
    ("GET POST PUT PATCH DELETE", f"{_OBJECT}/{{rest:path}}", _unencoded_slash),
    ("GET", f"/download{_OBJECT}", downloads.media),
    ("POST PUT DELETE", f"/upload{_BUCKET}/o", _upload),
    ("POST PUT DELETE", f"/resumable/upload{_BUCKET}/o", _upload),
    ("POST", "/batch", batch),
    ("POST", "/batch/storage/v1", batch),
    ("GET", "/_local/health", _health),
    ("GET PUT", "/_local/events", _events),
    ("GET", "/_local/notifications", _notifications),
]
_COMPILED = [(methods.split(), compile_path(path)[0], handler) for methods, path, handler in ROUTES]


def make_app(service: Service) -> ASGIApp:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await _answer(service, {**scope, "app": application}, receive)
        except ApiError as error:
            answer = error.response()
        except UnicodeError:
            answer = invalid("The request contains invalid Unicode.").response()
        except ClientDisconnect:
            return
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            answer = ApiError(500, "internalError", "The local storage server failed; see its log.").response()
        await answer(scope, receive, send)

    return FaultMiddleware(application, _fault_body)


def _fault_body(status: int) -> dict[str, Any]:
    return ApiError(status, "backendError", f"Injected fault: HTTP {status}").body()


async def _answer(service: Service, scope: Scope, receive: Receive) -> Response:
    call = Call(service, scope, receive)
    if call.method == "POST":
        scope["method"] = call.headers.get("x-http-method-override", "POST").upper()
    for methods, pattern, handler in _COMPILED:
        found = pattern.match(scope["raw_path"].decode("latin-1"))
        if found and call.method in methods:
            scope["path_params"] = {key: _decoded(value) for key, value in found.groupdict().items()}
            return await handler(call)
    message = f"The local storage server does not implement {call.method} {scope['path']}"
    raise ApiError(501, "notImplemented", message)


def _decoded(part: str) -> str:
    return unquote_to_bytes(part.encode("latin-1")).decode()
