"""The console of the local stack: a live page about files, runs and orders, with an upload form.

Reading order: app.py (the addresses), live.py (what is shown live), timelines.py (the steps of a run, from its log),
histories.py (one file), protection.py (refuses other hosts and origins).
"""
