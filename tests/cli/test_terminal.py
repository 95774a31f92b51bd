"""Words that come in, and text that goes out."""

from __future__ import annotations

import io
import sys

import pytest

from kaygraph_viz.cli.terminal import Parser, UsageError, printable


def test_a_wrong_argument_is_raised_as_one_line():
    with pytest.raises(UsageError, match="unrecognized arguments: --colour"):
        Parser(prog="x").parse_args(["--colour"])


@pytest.mark.parametrize(
    "mark", ["\x1b", "\x07", "\n", "\r", "\t", "\x00", "\x7f", "\x9b", "\u202e", "\u2028", "\ud800"]
)
def test_marks_that_steer_a_terminal_are_replaced(mark):
    assert printable(f"a{mark}b") == "a?b"


@pytest.mark.parametrize("text", ["", "plain", "Łódź", "東京", "🙂", "<b>&amp;</b>"])
def test_harmless_text_is_left_as_it_is(text, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert printable(text) == text


def test_letters_that_the_output_does_not_know_are_replaced(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert printable("Łodz") == "?odz"


def test_output_that_is_closed_is_no_problem(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert printable("Łodz") == "Łodz"


def test_huge_text_is_cut():
    assert len(printable("x" * 1_000_000)) == 500
