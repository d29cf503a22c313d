"""A local Cloud Storage server: the JSON API with working preconditions, stored in a folder.

Reading order: app.py (routes requests to handlers), object_api.py and upload_api.py (handle requests), objects.py
(the transactions that make preconditions atomic), contents.py (the bytes), outbox.py and delivery.py (events).
"""
