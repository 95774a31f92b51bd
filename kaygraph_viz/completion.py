"""Tab completion in IPython of texts that are names, as in ``kv.get_executor("pro``, and of options of ``%%gantt``.

Belongs here: which names may stand where. Does not belong here: the magic itself (``magics``) and the command line
(``cli.completion``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kaygraph_viz._optional import needed
from kaygraph_viz.capture.kinds import KINDS as CAPTURED
from kaygraph_viz.execute.registry import KINDS as EXECUTORS
from kaygraph_viz.plot.gantt.gantt import COLOR_BY

with needed():
    from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["NAMES", "add_completions", "names_at"]

# What may stand in quotes behind a keyword, or as the first argument of a function.
NAMES: Mapping[str, tuple[str, ...]] = {
    "capture": (*CAPTURED, "all"),
    "clock": ("virtual",),
    "color_by": COLOR_BY,
    "executor": EXECUTORS,
    "get_executor": EXECUTORS,
    "label": ("arguments",),
    "on_error": ("raise", "collect"),
    "playground": ("validation", "enrichment", "batch", "mapreduce", "pipeline", "coordination"),
    "schedule": ("dynamic", "static", "longest-first"),
    "shared_access": ("strict",),
}
OPTIONS: Mapping[str, tuple[str, ...]] = {  # of the magic, with the names that may follow
    "--arguments": (), "--by": COLOR_BY, "--capture": NAMES["capture"], "--help": (), "--key": (), "--live": (),
    "--save": (), "--seed": (), "--title": (), "--trace": (), "--virtual": (),
}  # fmt: skip
_QUOTED = re.compile(r"""(\w+)\s*[=(]\s*["'](?:[\w-]+,)*([\w-]*)$""")


def names_at(line: str) -> list[str]:
    """Return the names that may stand at the end of a line and begin with what is typed of the last one."""
    if line.startswith("%%gantt "):
        *_, option, begun = line.split(" ")
        names = OPTIONS if begun.startswith("-") else OPTIONS.get(option, ())
        begun = begun.rpartition(",")[2]
    elif found := _QUOTED.search(line):
        called, begun = found.groups()
        names = NAMES.get(called, ())
    else:
        return []
    return [name for name in names if name.startswith(begun)]


@context_matcher()  # type: ignore[untyped-decorator]
def _matcher(context: CompletionContext) -> SimpleMatcherResult:
    names = names_at(context.text_until_cursor)
    return {"completions": [SimpleCompletion(name, type="text") for name in names], "suppress": bool(names)}


def add_completions(shell: InteractiveShell) -> None:
    """Have a shell complete these names beside its own."""
    matchers = shell.Completer.custom_matchers
    if _matcher not in matchers:
        matchers.append(_matcher)
