"""How the real API refuses: an HTTP status, an error code, a message."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class ApiError(Exception):
    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message


def invalid(message: str) -> ApiError:
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for ApiError only
    return JSONResponse({"error_code": error.error_code, "message": error.message}, error.status)


def answer_unknown_path(request: Request, _error: Exception) -> Response:
    message = f"No API found for '{request.method} {request.url.path}'"
    return JSONResponse({"error_code": "ENDPOINT_NOT_FOUND", "message": message}, 404)


FAULT_CODES = {
    429: ("REQUEST_LIMIT_EXCEEDED", "Too many requests (a fault that was ordered)"),
    500: ("INTERNAL_ERROR", "Internal error (a fault that was ordered)"),
    503: ("TEMPORARILY_UNAVAILABLE", "Temporarily unavailable (a fault that was ordered)"),
    504: ("DEADLINE_EXCEEDED", "Deadline exceeded (a fault that was ordered)"),
}


def fault_body(status: int) -> dict[str, Any]:
    code, message = FAULT_CODES.get(status, ("UNKNOWN", f"Status {status} (a fault that was ordered)"))
    return {"error_code": code, "message": message}
