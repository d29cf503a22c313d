"""Reads the tables without Spark: one SQL text for a folder of Delta tables (DuckDB) and for a Databricks SQL warehouse."""
