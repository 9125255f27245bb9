"""Takes the pictures of the release report that the documentation shows.

    python -m docs.screenshots [RELEASE]

Needs Playwright and a Chromium, and a deployment with a release, such as `deid demo` leaves. One
picture is of the screen, one of the first page as it prints.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

from deid_platform.engine.deployment import Deployment

IMAGES = Path(__file__).parent / "images"
_MOST_BYTES = 300_000
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def main() -> None:
    """Take both pictures of a release, by default the newest.

    Raises:
        SystemExit: there is no release, no browser, or a picture is too large.
    """
    evidence = Deployment.from_environment().evidence
    packets = sorted(evidence.glob("rel-*"), key=lambda one: one.stat().st_mtime)
    wanted = evidence / sys.argv[1] if len(sys.argv) > 1 else (packets or [evidence])[-1]
    report = wanted / "report.html"
    if not report.is_file():
        raise SystemExit("there is no release to picture: run `deid demo` first")
    take(report, IMAGES)
    for file in (IMAGES / "release-report.png", IMAGES / "release-report-print.png"):
        size = file.stat().st_size
        if size > _MOST_BYTES:
            raise SystemExit(f"{file.name} has {size} bytes, more than {_MOST_BYTES}")


def take(report: Path, folder: Path) -> None:
    """Picture a report on the screen, and its masking page as it prints.

    Raises:
        SystemExit: no browser was found.
    """
    from playwright.sync_api import sync_playwright

    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser is None:
        raise SystemExit("there is no chromium; name one in CHROMIUM")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as work:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(_ARGUMENTS))
        page = chromium.new_page(viewport={"width": 1040, "height": 1240})
        page.goto(report.resolve().as_uri())
        _shoot(page, Path(work) / "screen.png", folder / "release-report.png")
        # A sheet of A4 at 96 dots per inch, with its margins.
        page.set_viewport_size({"width": 794, "height": 1123})
        page.add_style_tag(content="body { padding: 60px 57px }")
        page.emulate_media(media="print")
        page.evaluate("scrollTo(0, document.getElementById('masking').offsetTop - 60)")
        _shoot(page, Path(work) / "print.png", folder / "release-report-print.png")
        chromium.close()


def _shoot(page: object, draft: Path, target: Path) -> None:
    page.screenshot(path=draft)  # type: ignore[attr-defined]
    target.write_bytes(optimised(draft.read_bytes()))


def optimised(png: bytes) -> bytes:
    """The same picture with its data packed as tightly as zlib can, and nothing but the picture."""
    kept, data, at = [], b"", 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IDAT":
            data += body
        elif kind in (b"IHDR", b"PLTE", b"tRNS"):
            kept.append((kind, body))
    packed = zlib.compress(zlib.decompress(data), 9)
    out = png[:8]
    for kind, body in (*kept, (b"IDAT", packed), (b"IEND", b"")):
        out += len(body).to_bytes(4, "big") + kind + body
        out += zlib.crc32(kind + body).to_bytes(4, "big")
    return out


if __name__ == "__main__":
    main()
