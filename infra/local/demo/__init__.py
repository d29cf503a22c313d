"""`python -m infra.local.demo`: several days of order tracking through the whole path, checked row by row."""
