"""A governed path from raw PHI to safe public data.

Layers, each importing only those before it: ``core`` (frozen values, pure functions), ``engine``
(DuckDB, pandera, Presidio), ``governance`` (ledger, requests, release), ``cli`` (arguments and
printing). The Dagster code location is the package ``assets``.
"""
