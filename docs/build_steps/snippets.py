"""Snippets of the pages: found in a page, and run.

Belongs here: what a snippet is, and running it. Does not belong here: showing it (``run_directive``).

Every block of Python code in a page is a snippet. ```` ```{run} ```` is run when the site is built, and what it shows
stands below it. ```` ```python ```` is run by the tests only. A comment of MyST before the block says why one is not
run: ``% not run: needs a cluster``. The snippets of a page share their names, from the first to the last.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from dataclasses import dataclass
from typing import Any

import kaygraph_viz as kv

BLOCK = re.compile(r"^(% not run:.*\n)?(`{3,})(python|\{run\})\n(.*?)^\2$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """A block of Python code: its code, the line of its page on which it begins, and whether it is to be run."""

    code: str
    line: int
    is_run: bool = True


def snippets(page: str) -> list[Snippet]:
    r"""Return the snippets of the text of a page, in order.

    >>> snippets("Text\n\n```python\nx = 1\n```\n")
    [Snippet(code='x = 1\n', line=4, is_run=True)]
    >>> snippets("% not run: needs a cluster\n```python\nx = 1\n```\n")[0].is_run
    False
    """
    found = BLOCK.finditer(page)
    return [Snippet(each[4], 1 + page.count("\n", 0, each.start(4)), is_run=each[1] is None) for each in found]


def run(code: str, names: dict[str, Any], *, page: str = "<page>", line: int = 1) -> tuple[Any, str]:
    r"""Run code in simulated time; return the value of its last expression, or None, and what it printed.

    >>> run("print('hello')\n1 + 1", {})
    (2, 'hello\n')
    """
    tree = ast.parse("\n" * (line - 1) + code, page)
    last = tree.body[-1] if tree.body else None
    names.setdefault("__name__", "__main__")
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed), kv.VirtualClock():
        if isinstance(last, ast.Expr):
            tree.body.pop()
            exec(compile(tree, page, "exec"), names)
            value = eval(compile(ast.Expression(last.value), page, "eval"), names)
        else:
            exec(compile(tree, page, "exec"), names)
    return value, printed.getvalue()
