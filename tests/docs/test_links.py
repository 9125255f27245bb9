"""Links between pages lead somewhere, and hand-written lists leave nothing out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from deid_platform.engine.gates import Stage, gates_for
from tests.docs.console import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for link in LINK.findall(page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if link.startswith(("http:", "https:")):
            continue
        if not target.exists() or (anchor and anchor not in headings(target.read_text("utf-8"))):
            broken.append(link)
    assert not broken


def headings(text: str) -> set[str]:
    """The anchors GitHub gives to a page's headings."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_how_to_on_gates_has_a_remedy_for_each():
    text = (ROOT / "docs" / "how-to" / "read-a-gate.md").read_text("utf-8")
    told = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert told == {gate.name for stage in Stage for gate in gates_for(stage)}


def test_the_index_names_every_page():
    folder = ROOT / "docs"
    linked = {
        (folder / link).resolve()
        for link in LINK.findall((folder / "README.md").read_text("utf-8"))
    }
    pages = {page for page in folder.rglob("*.md") if page.parent.name != "adr"}
    assert pages - linked == {folder / "README.md"}


def test_the_picture_names_its_parts_for_those_who_cannot_see_it():
    picture = ET.parse(ROOT / "docs" / "images" / "path.svg").getroot()
    namespace = "{http://www.w3.org/2000/svg}"
    described = (picture.find(f"{namespace}desc").text or "").lower()
    for zone in ("raw", "limited", "de-identified", "release"):
        assert zone in described
