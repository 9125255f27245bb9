"""The commands of the how-to on the register work in the order shown, without a deployment."""

from __future__ import annotations

import shutil

from tests.docs.console import ROOT, commands
from tests.docs.test_commands import run, script_of


def test_the_commands_of_the_page_work_as_written(tmp_path):
    shutil.copytree(ROOT / "assets", tmp_path / "assets")
    shutil.copytree(ROOT / "dbt_project" / "seeds", tmp_path / "dbt_project" / "seeds")
    shown = commands(ROOT / "docs" / "how-to" / "keep-the-register.md")
    assert len(shown) >= 8

    done = run(tmp_path, script_of(list(shown)))

    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "~ people.quinn.baker" in done.stdout
