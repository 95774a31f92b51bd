"""Code that calls a function before each of its instructions.

Belongs here: what is inserted, and where. Does not belong here: which functions run such code (``functions``), and what
is done at a step (``preempt``).

The call stands exactly where Python would report the instruction to a hook of `sys.monitoring`, so that both ways count
the same steps. It reports an instruction wherever one is executed, but not what only marks a place: all up to the first
``RESUME``, each other ``RESUME``, and the instructions that the end of a loop jumps over.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from opcode import opmap
from types import CodeType
from typing import TYPE_CHECKING, Any

from kaygraph_viz.base.errors import PlatformError

if TYPE_CHECKING:
    from bytecode import Bytecode, Instr

__all__ = ["is_rewritten", "require_assembler", "rewritten", "step", "steps"]

VERSION = sys.version_info[:2]
# The next instruction has to follow one of these at once: its step comes before both.
TIED = {"KW_NAMES", "PRECALL"} if VERSION > (3, 11) else {"KW_NAMES", "PRECALL", "SEND"}
CACHE, EXTENDED_ARG = opmap["CACHE"], opmap["EXTENDED_ARG"]
DEPTH = 2  # how much of the stack a call without arguments takes
steps: list[Callable[[], object]] = []  # what is done at each step, by the blocks that are running


def step() -> None:
    """Do what the running blocks do at a step; rewritten code calls it."""
    for each in tuple(steps):
        each()


def require_assembler() -> None:
    """Do nothing where code can be rewritten."""
    try:
        import bytecode  # noqa: F401
    except ModuleNotFoundError:
        raise PlatformError(
            "schedules that switch in the middle of code (explore, preempt) need the package bytecode in a browser "
            "tab; write: %pip install bytecode"
        ) from None


def is_rewritten(code: CodeType) -> bool:
    """Return whether code calls `step`."""
    return any(each is step for each in code.co_consts)


def rewritten(code: CodeType) -> CodeType:
    """Return code that does the same, and calls `step` before each instruction; functions in it do so, too."""
    return code if is_rewritten(code) else _rewritten(code, code.co_filename)


@lru_cache(4096)  # codes of two files can be equal
def _rewritten(code: CodeType, file: str) -> CodeType:
    from bytecode import Bytecode

    found = Bytecode.from_code(code, conserve_exception_block_stackdepth=True)
    parts = list(_with_calls(code, found))
    found.clear()
    found.extend(parts)
    made: CodeType = found.to_code(stacksize=code.co_stacksize + DEPTH, compute_exception_stack_depths=False)
    return made


def _with_calls(code: CodeType, found: Bytecode) -> Iterator[Any]:
    """Yield the parts of code, with a call before each instruction that counts as a step."""
    from bytecode import Instr

    names = [part.name for part in found if isinstance(part, Instr)]
    counts = iter(_steps_before(names, _extensions(code)))
    for part in found:
        if not isinstance(part, Instr):
            yield part
            continue
        for _ in range(next(counts)):
            yield from _call(part)
        if isinstance(part.arg, CodeType):
            part.arg = rewritten(part.arg)
        yield part


def _extensions(code: CodeType) -> list[int]:
    """Return how many parts of its own each instruction has for an argument that is longer than one byte."""
    found, count = list[int](), 0
    for operation in code.co_code[::2]:
        if operation == EXTENDED_ARG:
            count += 1
        elif operation != CACHE:
            found.append(count)
            count = 0
    return found


def _steps_before(names: list[str], extensions: list[int]) -> list[int]:
    """Return how many calls stand before each instruction; Python reports the parts of a long argument, too."""
    first = names.index("RESUME")
    counts = [
        0 if position <= first or name in ("RESUME", "END_FOR") else 1 + extensions[position]
        for position, name in enumerate(names)
    ]
    if VERSION == (3, 13):  # the end of a loop jumps over one more
        counts = [0 if position and names[position - 1] == "END_FOR" else n for position, n in enumerate(counts)]
    for position in reversed(range(1, len(names))):
        if names[position - 1] in TIED:
            counts[position - 1] += counts[position]
            counts[position] = 0
    return counts


def _call(before: Instr) -> Iterator[Instr]:
    """Yield a call of `step` in the line of an instruction."""
    from bytecode import Instr

    place = before.location
    function = [Instr("PUSH_NULL", location=place), Instr("LOAD_CONST", step, location=place)]
    yield from function if VERSION < (3, 13) else reversed(function)
    if VERSION == (3, 11):
        yield Instr("PRECALL", 0, location=place)
    yield Instr("CALL", 0, location=place)
    yield Instr("POP_TOP", location=place)
