"""Chaos: seeded stories of uploads, faults, kills and suspended runs, told by real processes and checked by the oracle."""
