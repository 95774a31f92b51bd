"""The table of faults in ``tests/README.md`` names tests that exist, at least one for each fault."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROWS = re.findall(
    r"^\| ([A-Z]\d+) \| (.+?) \| (.+) \|$", (TESTS / "README.md").read_text(encoding="utf-8"), re.MULTILINE
)
NAMED = sorted({name for _, _, cell in ROWS for name in re.findall(r"`([\w/.]+::\w+)`", cell)})


@cache
def names_in(path):
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name.startswith("test_")}


@pytest.mark.parametrize("path", sorted({name.partition("::")[0] for name in NAMED}))
def test_every_test_that_is_named_exists(path):
    named = {name.partition("::")[2] for name in NAMED if name.startswith(f"{path}::")}
    assert named - names_in(path) == set()


def test_every_fault_has_a_row_of_its_own():
    ids = [number for number, _, _ in ROWS]
    assert len(ids) == len(set(ids)) > 60


def test_every_fault_has_a_test():
    assert [number for number, _, cell in ROWS if "::" not in cell and "expected in" not in cell] == []


def test_no_fault_waits_for_its_test():
    assert [number for number, _, cell in ROWS if "expected in" in cell] == []
