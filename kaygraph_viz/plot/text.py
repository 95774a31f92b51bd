"""Texts as matplotlib draws them: missing characters and widths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from kaygraph_viz.plot.labels import Shortener

ROUNDING = 1.1  # a small text gets so much wider, since each character takes whole pixels
MISSING = "\u25a1"  # the white square, as many fonts show it for what they lack


def escaped(text: str) -> str:
    r"""Return a text that matplotlib draws as plain text: no formulas, no character that its fonts do not have."""
    return drawable(text).replace("$", r"\$")


def drawable(text: str) -> str:
    r"""Return a text with a square for each character that no font in use has, which avoids warnings."""
    if text.isascii():
        return text
    known = _characters(tuple(FontProperties().get_family()))
    return "".join(char if ord(char) in known or char.isspace() else MISSING for char in text)


@cache
def _characters(families: tuple[str, ...]) -> frozenset[int]:
    fonts = (get_font(findfont(FontProperties(family=[family]))) for family in families)
    return frozenset().union(*(font.get_charmap() for font in fonts))


def width_pt(text: str, font_size: float, *, is_bold: bool = False) -> float:
    """Return the greatest width of a text at any resolution [pt]: the sum of its characters' widths, and some room."""
    family = tuple(FontProperties().get_family())
    return ROUNDING * font_size / 100 * sum(_advance(char, is_bold, family) for char in drawable(text))


@cache
def _advance(char: str, is_bold: bool, family: tuple[str, ...]) -> float:
    """Return the width of a character at 100 pt; it is measured between two bars, since a space alone has none."""
    font = FontProperties(family=list(family), size=100, weight="bold" if is_bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent("|" + char.replace("$", "S") + "|", font, False)
    bars, _, _ = text_to_path.get_text_width_height_descent("||", font, False)
    return float(width - bars)


def cut_to_width(text: str, limit_pt: float, font_size: float, *, is_bold: bool = False) -> str:
    """Return the text cut so that it is at most `limit_pt` wide [pt]; empty if fewer than three characters fit."""
    return Shortener([text]).cut(text, limit_pt, lambda char: width_pt(char, font_size, is_bold=is_bold))


def cut_apart(texts: Iterable[str], font_size: float) -> Callable[[str, float], str]:
    """Return what cuts each of some texts to a width [pt] so that it can be told from the others; see `Shortener`."""
    together = Shortener(texts)
    return lambda text, limit_pt: together.cut(text, limit_pt, lambda char: width_pt(char, font_size))
