"""Labels from traces and graphs, made harmless: they come from files and programs of others.

Belongs here: what is kept of a label. Does not belong here: how wide it is drawn (``text``) and where
(``gantt.layout``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from kaygraph_viz.plot.shortening import Shortener

__all__ = ["LABEL_LIMIT", "clean", "clean_apart", "heading"]

LABEL_LIMIT, TITLE_LIMIT = 60, 200
APART = 4  # times the limit of a text: so far it is compared with others
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}  # controls, direction overrides and joiners, lone surrogates, unassigned
_MARKS = {"Mn", "Me"}


def clean(text: object, limit: int = LABEL_LIMIT) -> str:
    r"""Return a text as one line of visible characters, cut to `limit` characters."""
    if not isinstance(text, str):
        return clean(f"<{type(text).__name__}>", limit)
    head = unicodedata.normalize("NFC", text[: 4 * limit])
    kept: list[str] = []
    for char in head:
        kind = unicodedata.category(char)
        is_stacked = kind in _MARKS and (not kept or unicodedata.category(kept[-1]) in _MARKS)
        if char.isspace():
            kept.append(" ")
        elif kind not in _DROPPED and not is_stacked:
            kept.append(char)
    line = " ".join("".join(kept).split()) or "(no name)"
    return line if len(line) <= limit and len(text) <= 4 * limit else line[: limit - 1].rstrip() + "…"


def clean_apart(texts: Sequence[object], limit: int = LABEL_LIMIT) -> list[str]:
    """Return texts that stand beside each other as `clean` does."""
    cleaned = [clean(text, APART * limit) for text in texts]
    if all(len(text) <= limit for text in cleaned):
        return cleaned
    together = Shortener(cleaned)
    return [together.cut(text, limit) for text in cleaned]


def heading(title: str | None, default: str) -> str:
    """Return the title that was asked for, made harmless, or the default."""
    return default if title is None else clean(title, TITLE_LIMIT)
