"""A local Cloud Storage server: the JSON API with working preconditions, stored in a folder.

Reading order: app.py (which handler answers which request), object_api.py and uploads.py (handlers), objects.py (the
transactions that make preconditions atomic), contents.py (the bytes), outbox.py, events.py and notifications.py.
"""
