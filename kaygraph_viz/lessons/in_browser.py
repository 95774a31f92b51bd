"""Cells of a lesson that need an installed Python: in a browser tab they are skipped with one sentence.

Belongs here: which cells are skipped, and what is said of them. Does not belong here: what a browser tab cannot do
(``kaygraph_viz.installed``).

A cell is skipped where it asks for real threads, processes or a package that is missing, and where it uses a name that
only a skipped cell would have made. A notebook goes on after it, as after a cell without an error.
"""

from __future__ import annotations

import ast
from typing import Any

from kaygraph_viz.errors import MissingDependencyError, PlatformError

__all__ = ["SkippedCells", "skip_cells"]


class SkippedCells:
    """The skipped cells of a notebook.

    Examples
    --------
    >>> cells = SkippedCells()
    >>> cells.reason(PlatformError("threads need an installed Python"), "trace = record()")
    'This cell is skipped here: threads need an installed Python.'
    >>> cells.reason(NameError("no trace", name="trace"), "seen = len(trace)")
    'This cell is skipped here: it uses trace, which a skipped cell makes.'
    >>> cells.reason(NameError("no tarce", name="tarce"), "tarce")
    ''
    >>> cells.count
    2
    """

    def __init__(self) -> None:
        self.count = 0
        self._names: set[str] = set()

    def reason(self, error: BaseException, source: str) -> str:
        """Return why a cell is skipped that has raised an error; empty where it is a fault of the cell."""
        if isinstance(error, NameError):
            if error.name not in self._names:
                return ""
            why = f"it uses {error.name}, which a skipped cell makes"
        elif isinstance(error, MissingDependencyError):
            why = f"the package {vars(error)['package']} is not there in this browser tab"
        else:
            why = str(error)
        self.count += 1
        self._names |= _names_made(source)
        return f"This cell is skipped here: {why}."


def _names_made(source: str) -> set[str]:
    """Return the names that the source of a cell makes."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # magics
        return set()
    made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    imported = [alias for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    return made | {(alias.asname or alias.name).partition(".")[0] for alias in imported}


def skip_cells(shell: Any) -> SkippedCells:
    """Skip the cells of a notebook from now on that need an installed Python.

    Parameters
    ----------
    shell
        The shell of IPython that runs the cells.
    """
    cells = SkippedCells()

    def show(shell: Any, kind: Any, error: BaseException, traceback: Any, tb_offset: int | None = None) -> None:
        reason = cells.reason(error, shell.user_ns.get("In", [""])[-1])
        if reason:
            print(reason)
        else:
            shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)

    shell.set_custom_exc((PlatformError, MissingDependencyError, NameError), show)
    return cells
