"""JSON responses and error responses, with the status codes and the JSON of the real service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response


class JsonResponse(JSONResponse):
    media_type = "application/json; charset=UTF-8"


class ApiError(Exception):
    """A response that is not a success."""

    def __init__(self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.headers = headers

    def body(self) -> dict[str, Any]:
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}

    def response(self) -> Response:
        if self.status == 304:
            return Response(status_code=304)  # never has a body
        return JsonResponse(self.body(), self.status, self.headers)


def invalid(message: str) -> ApiError:
    return ApiError(400, "invalid", message)


def required(parameter: str) -> ApiError:
    return ApiError(400, "required", f"Required parameter: {parameter}")


def no_such_object(bucket: str, name: str) -> ApiError:
    return ApiError(404, "notFound", f"No such object: {bucket}/{name}")


def no_such_bucket() -> ApiError:
    return ApiError(404, "notFound", "The specified bucket does not exist.")


def condition_not_met() -> ApiError:
    return ApiError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def not_modified() -> ApiError:
    """A NotMatch precondition of a read failed: the caller already has this version."""
    return ApiError(304, "notModified", "Not Modified")
