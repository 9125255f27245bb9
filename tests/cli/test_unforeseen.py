"""What ``deid`` prints when a cell, a file name or an unforeseen error holds anything at all."""

from __future__ import annotations

import sys

import pytest
import typer

from deid_platform import cli
from deid_platform.core.errors import DeliveryError

CANARY = "Zebulon Quixote"


def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> tuple[int, str]:
    """Exit code and everything printed by a ``deid`` whose command raises this error."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def raising() -> None:
        raise error

    monkeypatch.setattr(cli, "build_app", lambda: app)
    monkeypatch.setattr(sys, "argv", ["deid"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out = capsys.readouterr()
    return int(str(ended.value.code)), out.out + out.err


def test_an_error_nobody_foresaw_is_told_without_its_text(monkeypatch, capsys):
    error = ValueError(f"could not convert {CANARY}")
    error.__cause__ = KeyError(CANARY)
    code, told = printed(monkeypatch, capsys, error)
    assert code == 1
    assert told.startswith("error ValueError: ")
    assert "an error of the program" in told
    assert "Traceback" not in told
    assert CANARY not in told


def test_an_error_of_ours_keeps_its_text_and_its_code(monkeypatch, capsys):
    code, told = printed(monkeypatch, capsys, DeliveryError("[/red]a.csv", "it is empty", "ask"))
    assert (code, told) == (11, "error DeliveryError: [/red]a.csv: it is empty; ask\n")


@pytest.mark.parametrize("text", ["[/smith]", "[red]smith", ":smile: smith"])
def test_no_text_is_taken_for_markup(capsys, text):
    cli.console.print(text)
    assert capsys.readouterr().out == f"{text}\n"
