"""Export targets: one file each, found by scanning this folder.

A target turns one released table into files in a folder it is given. It decides nothing, reads
nothing but that table, and is called by `governance.publish` alone, after authorisation. Same
table and description, same bytes: no clock, no random number, no path of the machine.
"""

from deid_platform.governance.targets.base import (
    Field,
    Release,
    Target,
    target,
    target_named,
    target_names,
)

__all__ = ["Field", "Release", "Target", "target", "target_named", "target_names"]
