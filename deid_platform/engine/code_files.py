"""The files of a project that run on data: what a register of code must cover."""

from __future__ import annotations

from pathlib import Path

_CODE = (
    "assets/**/*.py",
    "assets/contracts/*.yaml",
    "dbt_project/models/**/*.sql",
    "dbt_project/models/**/*.py",
    "dbt_project/macros/**/*.sql",
    "dbt_project/tests/**/*.sql",
    "deid_platform/**/*.py",
)


def code_files(project: Path) -> tuple[str, ...]:
    """Paths of the code that the pipeline runs, relative to the project, in order."""
    found = {
        file.relative_to(project).as_posix() for pattern in _CODE for file in project.glob(pattern)
    }
    return tuple(sorted(found))
