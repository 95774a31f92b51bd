"""Cells of a lesson that need an installed Python: in a browser tab they are skipped with one sentence.

Belongs here: which cells are skipped, and what is said of them. Does not belong here: what a browser tab cannot do
(``kaygraph_viz.base.optional``).

A cell is skipped where it asks for real threads, processes or a package that is missing, and where it uses a name that
a skipped cell would have made. A notebook goes on after it, as after a cell without an error.
"""

from __future__ import annotations

import ast
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from kaygraph_viz.base.errors import MissingDependencyError, PlatformError
from kaygraph_viz.base.machine import has_threads

__all__ = ["SkippedCells", "end_cells_that_await", "holds", "is_here", "prepare_a_browser_tab", "skip_cells"]

NAMES = {"distributed": "Dask"}  # of packages, where they have another one
INSTEAD = "run this lesson with an installed Python: kaygraph-viz lab"
PROCESSES = f"processes need an installed Python, and this one runs in a browser tab; {INSTEAD}"
OF_ITS_OWN = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)  # their names are not the cell's
SKIPPED = (PlatformError, MissingDependencyError, ModuleNotFoundError, NameError)

_here: list[SkippedCells] = []  # those of the notebook that runs, if it runs in a browser tab


def prepare_a_browser_tab() -> None:
    """In a notebook of a browser tab, skip such cells from now on, and show figures in time; once for a notebook."""
    shell = None if _here or has_threads() else getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None:
        skip_cells(shell)
        end_cells_that_await(shell)
        logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it would tell of its first start


class SkippedCells:
    """The skipped cells of a notebook."""

    def __init__(self) -> None:
        self.count = 0
        self.names: set[str] = set()  # which they would have made

    def reason(self, error: BaseException, source: str) -> str:
        """Return why a cell is skipped that has raised an error; empty where it is a fault of the cell."""
        if not self.is_of_the_tab(error):
            return ""
        if isinstance(error, NameError):
            why = f"it uses {error.name}, which a skipped cell makes"
        elif isinstance(error, ImportError):
            package = vars(error).get("package") or error.name
            missing = f"the package {package} is not there in a browser tab; {INSTEAD}"
            why = PROCESSES if package == "_multiprocessing" else missing
        else:
            why = str(error)
        self.count += 1
        with suppress(SyntaxError):  # magics
            self.names |= set(_made_by(ast.parse(source)))
        return f"This cell is skipped here: {why}."

    def is_of_the_tab(self, error: BaseException) -> bool:
        """Return whether an error comes from what a browser tab has not, or from what a skipped cell was to make."""
        return error.name in self.names if isinstance(error, NameError) else isinstance(error, SKIPPED)


def _made_by(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement makes, without those that belong to functions in it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, OF_ITS_OWN):
        for part in ast.iter_child_nodes(node):
            yield from _made_by(part)


def skip_cells(shell: Any) -> SkippedCells:
    """Skip the cells of a notebook, by its shell of IPython, from now on that need an installed Python."""
    cells = SkippedCells()

    def show(shell: Any, kind: Any, error: BaseException, traceback: Any, tb_offset: int | None = None) -> None:
        reason = cells.reason(error, shell.user_ns.get("In", [""])[-1])
        if reason:
            print(reason)
            for name in cells.names & shell.user_ns.keys():  # half made, or of an earlier cell
                del shell.user_ns[name]
        else:
            shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)

    shell.set_custom_exc(SKIPPED, show)
    _here[:] = [cells]
    return cells


def end_cells_that_await(shell: Any) -> None:
    """Show the figures of a cell that awaits below it; without this, a browser tab shows them one cell later."""
    run = shell.run_cell_async

    async def run_cell_async(*args: Any, **options: Any) -> Any:
        result = await run(*args, **options)
        shell.events.trigger("post_execute")
        return result

    shell.run_cell_async = run_cell_async


def holds(check: Callable[[], object]) -> bool | None:
    """Return whether a check holds; None where a browser tab has skipped what it needs.

    Examples
    --------
    >>> holds(lambda: 1 + 1 == 2)
    True
    """
    try:
        return bool(check())
    except SKIPPED as error:
        if any(cells.is_of_the_tab(error) for cells in _here):
            return None
        raise


def is_here(package: str) -> bool:
    """Return whether a package is installed, and say how to install it where it is not.

    >>> is_here("no_such_library")
    This cell needs no_such_library: run `%pip install no_such_library` and restart the kernel.
    False
    """
    if find_spec(package) is not None:
        return True
    name = NAMES.get(package, package)
    print(f"This cell needs {name}: run `%pip install {package}` and restart the kernel.")
    return False
