"""Which variables of a notebook are old, since the cell that was to make them anew ended with an error.

Belongs here: what a cell sets and reads, and how it ended. Does not belong here: grading (``grade``).

A cell that ends with an error, that is interrupted or that is no Python makes the variables old that it sets. What
other cells make of an old variable is old, too. A cell that sets them without an error makes them new again.
"""

from __future__ import annotations

import ast
import asyncio
import re
import sys
from collections.abc import Iterator, Mapping
from symtable import SymbolTable, symtable
from typing import Any

from kaygraph_viz.texts import one_line

__all__ = ["Cells", "cells_here", "names_in"]

# What a cell sets that is no Python: functions and classes, what a line begins with, and the names of `with` blocks.
_SET = re.compile(r"^(?:async )?(?:def|class) (\w+)|^(\w+)\s*=(?!=)|^ +(\w+) = |\bas (\w+)\s*[:,]", re.MULTILINE)
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def names_in(source: str) -> tuple[set[str], set[str]]:
    """Return the variables that a cell sets and those that it reads; of a cell that is no Python, what it seems to set.

    Names that are imported are neither: an import can be repeated as often as you like.

    Examples
    --------
    >>> sorted(names_in("with record() as mine: run(graph)")[0]), sorted(names_in("mine.spans = found")[0])
    (['mine'], ['mine'])
    >>> names_in("mine = run(")
    ({'mine'}, set())
    """
    try:
        tree = ast.parse(source)
        return set(_set_by(tree)), set(_read_by(symtable(ast.unparse(_Plain().visit(tree)), "a cell", "exec")))
    except (SyntaxError, ValueError, RecursionError):
        return {name for found in _SET.findall(source) for name in found if name}, set()


def _set_by(tree: ast.AST) -> Iterator[str]:
    """Yield the names that are set outside of functions and classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            variable: ast.expr = node
            while isinstance(variable, (ast.Attribute, ast.Subscript)):  # ``variable.a[0].b``
                variable = variable.value
            if isinstance(variable, ast.Name):
                yield variable.id
        if not isinstance(node, _INNER):
            yield from _set_by(node)


class _Plain(ast.NodeTransformer):
    """Makes code with the same names of which a table of names tells the same with every Python."""

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return]

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        return ast.copy_location(ast.For(**dict(ast.iter_fields(self.generic_visit(node)))), node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        return ast.copy_location(ast.With(**dict(ast.iter_fields(self.generic_visit(node)))), node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        node.is_async = 0
        return self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp) -> ast.AST:
        return self.generic_visit(ast.GeneratorExp(node.elt, node.generators))

    visit_SetComp = visit_ListComp  # noqa: N815  (as `ast` calls it)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return self.generic_visit(ast.GeneratorExp(pair, node.generators))


def _read_by(table: SymbolTable) -> Iterator[str]:
    """Yield the variables of the notebook that are read, also inside of functions; their own variables are others."""
    is_outermost = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_outermost or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _read_by(inner)


class Cells:
    """The old variables of a notebook, each with what happened to the cell that was to make it anew.

    Parameters
    ----------
    variables
        All variables of the notebook.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self.old: dict[str, str] = {}
        self._sets: set[str] = set()  # by the present cell
        self._reads: set[str] = set()

    def begins(self, source: str) -> None:
        """Note that a cell begins."""
        self._sets, self._reads = names_in(source)

    def ended(self, source: str, error: BaseException | None) -> None:
        """Note that a cell has ended, and with which error."""
        sets, reads = names_in(source)
        why = next((self.old[name] for name in sorted(reads - sets) if name in self.old), None)
        if error is not None:
            why = _told(error)
        for name in sets:
            if why is None:
                self.old.pop(name, None)
            else:
                self.old[name] = why

    def old_one(self, value: object) -> tuple[str, str] | None:
        """Return an old variable that holds a value or that the present cell reads, and what happened to its cell."""
        holds = [name for name, held in list(self._variables.items()) if held is value]
        asked = [name for name in [*holds, *sorted(self._reads)] if name not in self._sets]
        return next(((name, self.old[name]) for name in asked if name in self.old), None)


def _told(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        return "was interrupted"
    return f"ended with an error ({one_line(type(error).__name__)})"


_watched: list[tuple[Any, Cells]] = []  # the IPython of this process, once a lesson has begun in it


def cells_here() -> Cells | None:
    """Return what is known of the cells of this notebook, or None outside of IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return None
    if not _watched or _watched[0][0] is not shell:
        _watched[:] = [(shell, _watch(shell))]
    return _watched[0][1]


def _watch(shell: Any) -> Cells:
    cells = Cells(shell.user_ns)

    def ended(result: Any) -> None:
        if result.info is not None:
            cells.ended(_as_python(shell, result.info.raw_cell), result.error_before_exec or result.error_in_exec)

    shell.events.register("pre_run_cell", lambda info: cells.begins(_as_python(shell, info.raw_cell)))
    shell.events.register("post_run_cell", ended)
    return cells


def _as_python(shell: Any, cell: str) -> str:
    """Return a cell without IPython's additions to Python, or as it is where they cannot be told."""
    try:
        return str(shell.transform_cell(cell))
    except SyntaxError:
        return cell
