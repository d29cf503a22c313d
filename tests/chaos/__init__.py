"""Chaos: seeded stories of uploads, faults, kills and suspended runs, run by real processes and checked by the oracle."""
