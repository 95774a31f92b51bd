"""The check of the finished pages: ``python docs/build_steps/check_pages.py out/docs``.

Belongs here: what every page must keep. Does not belong here: what Sphinx warns of while it builds.

Each link leads to a file and an anchor that exist, each picture has an alternative text, and no page loads anything
from another computer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
NOT_OURS = {"_static", "lite"}  # folders with pages of the theme, and of JupyterLab in the browser
ONLY_NAMED = {"canonical", "search", "next", "prev", "index", "author", "copyright"}  # links that nothing loads


@dataclass
class Page:
    """What a page has: anchors, links, what it loads, and pictures without a text."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    without_alt: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.page.anchors |= {found[name] for name in ("id", "name") if name in found}
        address = found.get(LOADED.get(tag, "href"), "")
        if tag == "a" and address:
            self.page.links.append(address)
        elif tag in LOADED and address and found.get("rel") not in ONLY_NAMED:
            self.page.loaded.append(address)
        if tag == "img" and not found.get("alt", "").strip():
            self.page.without_alt.append(address)


def read(text: str) -> Page:
    """Return what a page has.

    >>> read('<h1 id="top"></h1><a href="other.html#end">x</a><img src="a.png">')
    Page(anchors={'top'}, links=['other.html#end'], loaded=['a.png'], without_alt=['a.png'])
    """
    reader = _Reader()
    reader.feed(text)
    return reader.page


@cache
def _page_at(path: Path) -> Page:
    return read(path.read_text(encoding="utf-8"))


def pages_of(folder: Path) -> list[Path]:
    """Return the pages of a folder, without those that other projects have written."""
    return sorted(path for path in folder.rglob("*.html") if path.relative_to(folder).parts[0] not in NOT_OURS)


def faults(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the pages of a folder, one line each."""
    for path in pages_of(folder):
        page, name = _page_at(path), path.relative_to(folder).as_posix()
        yield from (f"{name}: picture without alternative text: {address[:80]}" for address in page.without_alt)
        for address in page.loaded:
            if urlsplit(address).netloc:
                yield f"{name}: is loaded from another computer: {address}"
        yield from (f"{name}: {fault}" for address in (*page.links, *page.loaded) if (fault := _fault(path, address)))


def _fault(path: Path, address: str) -> str:
    """Return what is wrong with an address in a page; an empty text for a good one, and for one of another site."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return f"broken link: {address}"
    is_page = target.suffix == ".html" and parts.fragment
    return f"broken anchor: {address}" if is_page and unquote(parts.fragment) not in _page_at(target).anchors else ""


def main(folder: str) -> int:
    """Print what is wrong, and return the exit code."""
    found = list(faults(Path(folder).resolve()))
    pages = len(pages_of(Path(folder)))
    print("\n".join([*found, f"{pages} pages, {len(found)} faults"]))
    return int(bool(found) or not pages)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
