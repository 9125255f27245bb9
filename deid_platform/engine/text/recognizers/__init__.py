"""Recognizers by written form: one file each, found by scanning this folder.

A file offers ``RECOGNIZERS``, a tuple of `Recognizer`, whose own examples are its tests.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from deid_platform.engine.text.recognizer import Recognizer


@cache
def recognizers() -> dict[str, Recognizer]:
    """Every recognizer of this folder, by name: the file's, numbered where it has several."""
    found: dict[str, Recognizer] = {}
    for name in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        several = importlib.import_module(f"{__name__}.{name}").RECOGNIZERS
        for number, recognizer in enumerate(several, 1):
            found[name if len(several) == 1 else f"{name}_{number}"] = recognizer
    return found
