"""Entry points of the Cloud Functions; SDKs are imported when the first event needs them."""

import functions_framework

from functions import bootstrap


@functions_framework.cloud_event
def on_object_finalized(event) -> None:  # type: ignore[no-untyped-def]
    bootstrap.answer_upload(event)


@functions_framework.cloud_event
def on_sweep(event) -> None:  # type: ignore[no-untyped-def]
    bootstrap.answer_tick(event)
