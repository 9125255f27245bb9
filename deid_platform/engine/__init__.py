"""All that touches DuckDB, pandera and Presidio. Knows nothing of Dagster or of the ledger."""
