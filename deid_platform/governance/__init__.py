"""Ledger, requests, determinations, evidence and the one way out. Knows nothing of Dagster."""
