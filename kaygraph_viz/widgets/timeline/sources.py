"""The script and the looks of the chart, for a notebook and for a page of its own.

Belongs here: which files make them. Does not belong here: where they are put.
"""

from __future__ import annotations

from importlib.resources import files

__all__ = ["script", "stylesheet"]

SCRIPTS = ["data", "beside", "bands", "hatches", "paint", "diagram", "details", "timeline"]


def script() -> str:
    """Return the module that draws the chart."""
    return "\n".join(files(__package__).joinpath(f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


def stylesheet() -> str:
    """Return the looks of its parts."""
    return files(__package__).joinpath("timeline.css").read_text(encoding="utf-8")
