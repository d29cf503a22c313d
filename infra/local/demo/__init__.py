"""`python -m infra.local.demo`: load several days of two feeds through the whole pipeline and check every row."""
