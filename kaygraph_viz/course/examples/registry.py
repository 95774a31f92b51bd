"""Which examples there are, by the names that the command line knows."""

from __future__ import annotations

from importlib import import_module

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.course.examples.outcome import ExampleRun, Setup

__all__ = ["EXAMPLES", "run_example"]

EXAMPLES = (  # each is a module beside this one with a function ``run``
    "validation",
    "enrichment",
    "batch",
    "mapreduce",
    "pipeline",
    "coordination",
    "report",
    "stream",
)


def run_example(name: str, setup: Setup | None = None) -> ExampleRun:
    """Run one pattern on the shipped data."""
    if name not in EXAMPLES:
        raise OptionError("example", name, f"one of {', '.join(EXAMPLES)} or all", "--example validation")
    found: ExampleRun = import_module(f"kaygraph_viz.course.examples.{name}").run(setup or Setup())
    return found
