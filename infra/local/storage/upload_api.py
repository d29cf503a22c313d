"""Uploads in one request: only the bytes (media), or metadata and bytes (multipart)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.types import ASGIApp

from infra.local.storage import objects, resumable_api
from infra.local.storage.calls import Call, parse_json
from infra.local.storage.contents import Writer
from infra.local.storage.database import Transaction
from infra.local.storage.errors import invalid, required
from infra.local.storage.intake import announced_hashes, check_hashes, receive
from infra.local.storage.multipart import RelatedBody, boundary_of
from infra.local.storage.names import check_object_name
from infra.local.storage.object_api import object_response
from infra.local.storage.resources import given_attributes
from infra.local.storage.sessions import UploadRequest


async def upload(call: Call) -> ASGIApp:
    kind = call.query.get("uploadType") or call.query.get("upload_protocol") or ""
    if call.query.get("upload_id"):
        return await resumable_api.resume(call)
    if call.method != "POST":
        raise required("upload_id")
    if kind == "media":
        return await _media(call)
    if kind == "multipart":
        return await _multipart(call)
    if kind == "resumable":
        metadata = await call.json()
        media_type = call.header("x-upload-content-type")
        return await resumable_api.begin(call, await upload_request(call, metadata, media_type))
    raise invalid(f"Invalid upload type: {kind!r}", "uploadType")


async def _media(call: Call) -> ASGIApp:
    request = await upload_request(call, {}, call.header("content-type"))
    return await _store(call, request, call.request.stream())


async def _multipart(call: Call) -> ASGIApp:
    body = RelatedBody(aiter(call.request.stream()), boundary_of(call.header("content-type")))
    metadata = parse_json(await body.metadata())
    request = await upload_request(call, metadata, await body.media_type())
    return await _store(call, request, body.media())


async def upload_request(call: Call, metadata: Mapping[str, Any], media_type: str | None) -> UploadRequest:
    """The object that the upload will create. Fails before any byte is sent if a precondition already fails."""
    name = call.query.get("name") or str(metadata.get("name") or "")
    check_object_name(name)
    attributes = given_attributes(metadata)
    if "contentType" not in attributes and media_type:
        attributes["contentType"] = media_type
    if call.query.get("contentEncoding"):
        attributes["contentEncoding"] = call.query["contentEncoding"]
    hashes = announced_hashes(call.request.headers, metadata)
    request = UploadRequest(call.route.bucket, name, attributes, call.preconditions, **hashes)
    await call.service.database.read(lambda tx: _check_beforehand(tx, request))
    return request


def _check_beforehand(tx: Transaction, request: UploadRequest) -> None:
    objects.require_bucket(tx, request.bucket)
    request.preconditions.check_write(objects.find(tx, request.bucket, request.name))


async def _store(call: Call, request: UploadRequest, stream: AsyncIterator[bytes]) -> ASGIApp:
    service = call.service
    writer = Writer(service.contents.upload_path())
    try:
        await receive(stream, writer)
        staged = await asyncio.to_thread(writer.finish)
        check_hashes(request, staged)
        stored = await service.database.write(
            lambda tx: service.objects.create(
                tx, request.bucket, request.name, staged, request.attributes, request.preconditions
            )
        )
    finally:
        writer.close()
        writer.path.unlink(missing_ok=True)
    return object_response(call, stored)
