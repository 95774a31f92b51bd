"""Labels: made harmless, told apart where they are cut, and no wider than was said."""

from __future__ import annotations

import matplotlib as mpl
import pytest
from hypothesis import given, strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kaygraph_viz.plot.labels import Shortener, clean, heading
from kaygraph_viz.plot.text import cut_to_width, drawable, escaped, width_pt


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a b c"),
        ("\x00\x1b[31mred", "[31mred"),
        ("abc\u202edef", "abcdef"),
        ("\ud800x", "x"),
        ("", "(no name)"),
        ("e\u0301", "é"),
        ("z" + "\u0336" * 50, "z\u0336"),
        (None, "<NoneType>"),
        ("x" * 1_000_000, "x" * 59 + "…"),
    ],
)
def test_labels_of_others_are_made_harmless(text, shown):
    assert clean(text) == shown


def test_a_title_that_was_asked_for_is_made_harmless():
    assert heading("a\nb\x00", "default") == "a b"
    assert heading("", "default") == "(no name)"
    assert len(heading("x" * 1_000, "default")) == 200


# -- texts cut so that they can be told apart -----


PAGES, IMAGES = "fetch_anchor_pages", "fetch_anchor_images"


@pytest.mark.parametrize(
    ("texts", "text", "room", "cut"),
    [
        ([PAGES], PAGES, 18, PAGES),
        ([PAGES], PAGES, 8, "fetch_a…"),
        ([PAGES, "load"], PAGES, 8, "fetch_a…"),
        ([PAGES, IMAGES], PAGES, 14, "fetch_…r_pages"),
        ([PAGES, IMAGES], IMAGES, 14, "fetch_…_images"),
        ([PAGES, IMAGES], PAGES, 8, "…r_pages"),
        ([PAGES, IMAGES], PAGES, 16, "fetch_anchor_pa…"),
        ([PAGES, IMAGES], PAGES, 3, ""),
        ([PAGES, IMAGES], PAGES, 4, "fet…"),  # three characters of either side are those of the other, too
        (["fetch", PAGES], PAGES, 6, "fetch…"),  # the other one is not cut
        (["one two three", "one two trees"], "one two trees", 9, "one…rees"),
        (["a" * 9 + "b", "a" * 9 + "c"], "a" * 9 + "c", 5, "aa…ac"),
    ],
)
def test_what_is_kept_of_a_text_is_not_that_of_another(texts, text, room, cut):
    found = Shortener(texts).cut(text, room)
    assert found == cut
    assert len(found) <= room


def test_lanes_of_a_pool_keep_their_numbers():
    lanes = [f"process-1/ThreadPoolExecutor-0_{number}" for number in range(12)]
    cut = [Shortener(lanes).cut(lane, 24) for lane in lanes]
    assert cut[0] == "process-1/T…Executor-0_0"
    assert len(set(cut)) == 12


def test_a_text_that_is_cut_at_the_front_begins_with_a_whole_word():
    names = Shortener(f"map {number}" for number in range(40))
    assert names.cut("map 25", 6, lambda char: 3 if char == "m" else 1) == "…25"


# -- texts as matplotlib draws them: missing characters and widths -----


words = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), max_size=30)


def test_what_the_font_does_not_have_is_a_square():
    assert drawable("naïve \U0010fffd") == "naïve □"


def test_the_fonts_in_use_decide_what_is_missing():
    with mpl.rc_context({"font.family": ["DejaVu Sans Display"]}):  # a font of a few symbols
        assert drawable("é") == "□"
    assert drawable("é") == "é"


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
