"""Looks for identifiers in files outside their zone; tells counts by class, never a value.

What belongs here: reading files of any kind as texts, in bounded memory, and matching these with
the identifiers of the raw zone and with the patterns of `core.patterns`. What a finding means, who
is told and what is recorded does not.
"""

from deid_platform.engine.scanning.identifiers import Vocabulary, vocabulary_of_deployment
from deid_platform.engine.scanning.scan import ALARM, FileReport, Reading, Scan, scan_paths

__all__ = [
    "ALARM",
    "FileReport",
    "Reading",
    "Scan",
    "Vocabulary",
    "scan_paths",
    "vocabulary_of_deployment",
]
