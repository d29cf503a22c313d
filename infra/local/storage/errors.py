"""Error responses, with the status codes and the JSON of the real service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """An error response. `location` names the parameter or header at fault if the real service names it."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        location_type: str = "parameter",
        location: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.location_type = location_type
        self.location = location
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.location:
            detail |= {"locationType": self.location_type, "location": self.location}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}


class NotModified(Exception):
    """A NotMatch precondition of a read failed: the caller already has this version."""


def invalid(message: str, parameter: str | None = None) -> ApiError:
    return ApiError(400, "invalid", message, location=parameter)


def required(parameter: str) -> ApiError:
    return ApiError(400, "required", f"Required parameter: {parameter}", location=parameter)


def no_such_object(bucket: str, name: str) -> ApiError:
    return ApiError(404, "notFound", f"No such object: {bucket}/{name}")


def no_such_bucket() -> ApiError:
    return ApiError(404, "notFound", "The specified bucket does not exist.")


def condition_not_met(location: str) -> ApiError:
    return ApiError(
        412,
        "conditionNotMet",
        "At least one of the pre-conditions you specified did not hold.",
        location_type="header",
        location=location,
    )


def not_implemented(method: str, path: str) -> ApiError:
    return ApiError(501, "notImplemented", f"The local storage server does not implement {method} {path}")
