"""Texts as matplotlib draws them: missing characters and widths."""

from __future__ import annotations

import matplotlib as mpl
import pytest
from hypothesis import given, strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kaygraph_viz.plot.text import cut_to_width, drawable, escaped, width_pt

words = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), max_size=30)


def test_what_the_font_does_not_have_is_a_square():
    assert drawable("naïve \U0010fffd") == "naïve □"


def test_the_fonts_in_use_decide_what_is_missing():
    with mpl.rc_context({"font.family": ["DejaVu Sans Display"]}):  # a font of a few symbols
        assert drawable("é") == "□"
    assert drawable("é") == "é"


def test_dollar_signs_begin_no_formula():
    ax = Figure().add_subplot()
    assert ax.text(0, 0, escaped("$x^2$"))._preprocess_math(escaped("$x^2$"))[1] is False


@given(words, st.sampled_from([72, 100, 150]), st.booleans())
def test_no_text_is_wider_than_was_said(text, dpi, is_bold):
    figure = Figure(dpi=dpi)
    drawn = figure.text(0, 0, escaped(text), fontsize=9, fontweight="bold" if is_bold else "normal")
    width = drawn.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width / dpi * 72
    assert width <= width_pt(text, 9, is_bold=is_bold) + 2 * 72 / dpi  # but for the rounding of a pixel at each end


@given(words, st.floats(0, 150))
def test_a_cut_text_fits_and_begins_like_the_whole_one(text, limit_pt):
    cut = cut_to_width(text, limit_pt, 9)
    assert not cut or width_pt(cut, 9) <= limit_pt
    assert text.startswith(cut.removesuffix("…"))


def test_a_text_is_cut_no_shorter_than_asked_for():
    room = width_pt("ab…", 9) + 0.1
    assert cut_to_width("abcdef", room, 9) == ""
    assert cut_to_width("abcdef", room, 9, shortest=2) == "ab…"


@pytest.mark.parametrize("text", ["", "a", "word"])
def test_a_text_that_just_fits_is_not_cut(text):
    assert cut_to_width(text, width_pt(text, 9), 9) == text
