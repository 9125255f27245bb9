"""Alembic migrations of the ledger, run by `ledger.Ledger` when it opens one that is behind."""
