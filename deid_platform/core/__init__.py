"""Frozen values and pure functions: no files, no clock, no environment, no DuckDB, no Dagster."""
