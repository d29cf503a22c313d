"""A local Cloud Storage: the JSON API with working preconditions, durable, on one machine.

Reading order: app.py (which request goes where), object_api.py and upload_api.py (what the API says), objects.py
(the transactions that make preconditions atomic), contents.py (the bytes), outbox.py and delivery.py (events).
"""
