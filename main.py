"""Entry points of the Cloud Functions; SDKs are imported when the first event needs them."""

import functions_framework

from functions import bootstrap, events


@functions_framework.cloud_event  # type: ignore[untyped-decorator]
def on_object_finalized(event: events.CloudEvent) -> None:
    bootstrap.answer_upload(event)


@functions_framework.cloud_event  # type: ignore[untyped-decorator]
def on_sweep(event: events.CloudEvent) -> None:
    bootstrap.answer_tick(event)
