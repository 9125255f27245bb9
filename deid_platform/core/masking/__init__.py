"""Suppression that survives an attacker: one constraint model, its protector and its attacker.

Here belong the model of a table and its published sums, the choice of cells to hide, the attack
that tries to undo it, and the certificate that proves it failed. Reading tables and writing
candidates is the engine's work.
"""

from deid_platform.core.masking.attack import Attack, PublishedTable, attack
from deid_platform.core.masking.model import (
    COMPLEMENTARY,
    SHOWN,
    SMALL,
    Axis,
    Layout,
    MaskingRules,
    MaskingTable,
)
from deid_platform.core.masking.suppression import Masking, mask, published

__all__ = [
    "COMPLEMENTARY",
    "SHOWN",
    "SMALL",
    "Attack",
    "Axis",
    "Layout",
    "Masking",
    "MaskingRules",
    "MaskingTable",
    "PublishedTable",
    "attack",
    "mask",
    "published",
]
