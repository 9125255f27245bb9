"""Commands as the documentation shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "tutorial.md",
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
)

_BLOCK = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+# exit code (\d+)$")
_COMMENT = re.compile(r"\s{2,}# .*$")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One line that a page tells its reader to type, and the exit code it notes."""

    page: Path
    line: int
    text: str
    exit_code: int = 0

    def __str__(self) -> str:
        """Where it stands and what it is, as test ids and messages show it."""
        return f"{self.page.name}:{self.line}: {self.text}"


def commands(page: Path) -> tuple[Shown, ...]:
    """The lines beginning with ``$`` in the console blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        for number, line in enumerate(block[1].splitlines(), first):
            if line.strip().startswith("$ "):
                found.append(_shown(page, number, line.strip()[2:]))
    return tuple(found)


def _shown(page: Path, line: int, text: str) -> Shown:
    noted = _EXIT.search(text)
    if noted:
        return Shown(page=page, line=line, text=text[: noted.start()], exit_code=int(noted[1]))
    return Shown(page=page, line=line, text=_COMMENT.sub("", text))


def mentions(page: Path) -> tuple[Shown, ...]:
    """Every ``deid`` command a page names: in console blocks, in code spans, in indented code."""
    text = page.read_text("utf-8")
    spans = re.compile(r"(?<!`)`(?:[A-Z_]+=\S+ )*(deid [^`]*)`(?!`)|^ {4,}(deid .*)$", re.MULTILINE)
    named = [
        Shown(
            page=page,
            line=text.count("\n", 0, span.start()) + 1,
            text=" ".join((span[1] or span[2]).split()),
        )
        for span in spans.finditer(text)
    ]
    typed = [one for one in commands(page) if one.text.startswith("deid ")]
    return tuple(sorted([*named, *typed], key=lambda one: (one.line, one.text)))
