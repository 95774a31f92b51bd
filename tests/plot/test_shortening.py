"""Texts cut so that they can be told apart."""

from __future__ import annotations

import pytest

from kaygraph_viz.plot.shortening import Shortener

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


def test_characters_may_differ_in_width():
    width = {"w": 4, "i": 2, "l": 2, "…": 3}.__getitem__
    assert Shortener(["will"]).cut("will", 10, width) == "will"
    assert Shortener(["willi", "willl"]).cut("willl", 11, width) == "…illl"


def test_a_text_that_is_cut_at_the_front_begins_with_a_whole_word():
    names = Shortener(f"map {number}" for number in range(40))
    assert names.cut("map 25", 6, lambda char: 3 if char == "m" else 1) == "…25"
