"""`python -m infra.local.demo`: load several days of order tracking through the whole pipeline and check every row."""
