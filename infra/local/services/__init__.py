"""Start, watch and stop the servers of the local stack.

Reading order: stack.py (the whole stack), definitions.py (each server's command), ports.py, process.py (one
child process), guard.py (ends a server when the stack dies), pubsub.py, sweep_schedule.py.
"""
