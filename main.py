"""Entry points of the Cloud Functions. SDKs are imported only when the first event needs them."""

import functions_framework
from cloudevents.http import CloudEvent

from functions import bootstrap


@functions_framework.cloud_event  # type: ignore[untyped-decorator]
def on_object_finalized(event: CloudEvent) -> None:
    bootstrap.handle_upload_event(event)


@functions_framework.cloud_event  # type: ignore[untyped-decorator]
def on_sweep(event: CloudEvent) -> None:
    bootstrap.handle_sweep_event(event)
