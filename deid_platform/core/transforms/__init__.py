"""Column transforms, one file each, found by scanning this folder.

Belongs here: how one column's values change. Does not: which column gets which transform (that is
the contract), or anything that looks at other rows.
"""

import importlib
import pkgutil

from deid_platform.core.transforms.base import (
    TRANSFORMS,
    ColumnTransform,
    ColumnType,
    Rules,
    Transform,
    build_transform,
)

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "TRANSFORMS",
    "ColumnTransform",
    "ColumnType",
    "Rules",
    "Transform",
    "build_transform",
]
