"""Makes what the free-text engine ships: its word lists and its name model.

Belongs here: what a maintainer runs to make `deid_platform/engine/text/data`. Needs the development
dependencies; nothing of it runs in a deployment. Every text it trains on is generated here, from a
seed: no sentence of any evaluation set is read.
"""
