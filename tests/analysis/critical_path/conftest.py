"""Calls made by hand, and the names of a chain."""

from __future__ import annotations

from kaygraph_viz.testing import bar


def call(start, end, *branches, workers=2, **facts):
    return (bar("exec", "main", start, end, kind="phase", executor="thread", workers=workers, **facts), list(branches))


def names(path):
    return [step.name for step in path.steps]
