"""Preemption in the middle of user code, as real threads meet it at any moment.

Belongs here: what is done at an instruction, and the three ways in which it is noticed. Does not belong here: which
thread goes on then (``scheduler``), and which code is the user's (``code_places``).

Real threads are preempted rarely, and elsewhere in every run, which is why a race shows up once in a thousand runs.
Here a thread may yield after each byte code instruction of user code, with a given chance. No time passes by it. Each
version of Python has its own instructions, and so its own schedules.

Python itself tells of each instruction: from 3.12 on by `sys.monitoring`, before that by a trace function of each
thread. Where one thread carries all fibers, as in a browser tab, neither will do, since the stack of calls cannot be
left inside such a hook: Python ends there with a fault of its memory. There user code is rewritten so that it calls the
step itself, exactly where Python would report the instruction, so that all ways count the same steps and give the same
schedule under the same version of Python, from 3.12 on. A step comes before an instruction wherever one is executed,
but not before what only marks a place: all up to the first ``RESUME``, each other ``RESUME``, and the instructions that
the end of a loop jumps over.

All functions that there are when the block begins are rewritten, and what these make is made of code that is rewritten
already. What is left are functions that the block's own lines make, since these lines run already. They are looked for
among the newest objects whenever the main program is about to wait: before, no other fiber can call them.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import lru_cache
from opcode import opmap
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any
from weakref import ref

from kaygraph_viz.base.errors import PlatformError, VirtualClockError
from kaygraph_viz.base.machine import has_threads
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.clock.virtual.code_places import is_user_frame, is_user_function
from kaygraph_viz.clock.virtual.fiber import Stopped
from kaygraph_viz.clock.virtual.scheduler import Scheduler

if TYPE_CHECKING:
    from bytecode import Bytecode, Instr

__all__ = ["Preemption", "RewrittenFunctions", "for_many_blocks", "is_rewritten", "monitored", "rewritten", "steps"]

TOOLS = (4, 3, 5, 2, 1, 0)  # numbers of monitoring tools; 4 and 3 are not reserved, so they are tried first
VERSION = sys.version_info[:2]
# The next instruction has to follow one of these at once: its step comes before both.
TIED = {"KW_NAMES", "PRECALL"} if VERSION > (3, 11) else {"KW_NAMES", "PRECALL", "SEND"}
CACHE, EXTENDED_ARG = opmap["CACHE"], opmap["EXTENDED_ARG"]
DEPTH = 2  # how much of the stack a call without arguments takes
steps: list[Callable[[], object]] = []  # what is done at each step, by the blocks that are running


@contextmanager
def monitored(step: Callable[[], object]) -> Iterator[None]:
    """Call a function before each instruction in any thread while the block runs; from Python 3.12 on."""
    monitoring: Any = vars(sys)["monitoring"]
    codes: list[CodeType] = []
    tool = next((number for number in TOOLS if monitoring.get_tool(number) is None), None)
    if tool is None:
        raise VirtualClockError("preempt needs one of the six tool numbers of sys.monitoring, and all are in use")

    def at_start(code: CodeType, offset: int) -> Any:
        if is_user_frame(sys._getframe(1)):
            codes.append(code)
            monitoring.set_local_events(tool, code, monitoring.events.INSTRUCTION)
        return monitoring.DISABLE

    monitoring.use_tool_id(tool, "kaygraph-viz")
    monitoring.register_callback(tool, monitoring.events.PY_START, at_start)
    monitoring.register_callback(tool, monitoring.events.INSTRUCTION, lambda code, offset: step())
    monitoring.restart_events()
    monitoring.set_events(tool, monitoring.events.PY_START)
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        for code in codes:
            monitoring.set_local_events(tool, code, 0)
        monitoring.register_callback(tool, monitoring.events.PY_START, None)
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, None)
        monitoring.free_tool_id(tool)


@contextmanager
def traced(step: Callable[[], object]) -> Iterator[None]:
    """Call a function before each instruction in the calling thread while the block runs."""

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "call":
            if not is_user_frame(frame):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            step()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


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


class RewrittenFunctions:
    """The functions whose code is rewritten at the moment."""

    def __init__(self) -> None:
        self._blocks = 0
        self._exchanged: list[tuple[ref[FunctionType], CodeType, CodeType]] = []

    @contextmanager
    def in_block(self) -> Iterator[None]:
        """Rewrite the functions of user code while the block runs; to find them all takes longest in the first one."""
        if self._blocks:
            self.look()
        else:
            self._rewrite(gc.get_objects())
            gc.callbacks.append(self._before_collection)
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            if not self._blocks:
                gc.callbacks.remove(self._before_collection)
                for each, own, other in self._exchanged:
                    function = each()
                    if function is not None and function.__code__ is other:  # nobody else has given it another one
                        function.__code__ = own
                self._exchanged.clear()

    def look(self) -> None:
        """Rewrite the functions that were made since the last collection of garbage."""
        self._rewrite(gc.get_objects(generation=0))

    def _before_collection(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":  # what lives on counts as old afterwards
            self.look()

    def _rewrite(self, objects: Iterable[object]) -> None:
        for function in objects:
            if type(function) is FunctionType and is_user_function(function):
                own = function.__code__
                other = rewritten(own)
                if other is not own:
                    function.__code__ = other
                    self._exchanged.append((ref(function), own, other))


functions = RewrittenFunctions()  # those of all blocks


class Preemption:
    """Makes threads yield in the middle of user code: after an instruction, with the probability `chance`."""

    def __init__(self, scheduler: Scheduler, chance: float) -> None:
        self._scheduler = scheduler
        self._chance = chance
        self._has_hooks = has_threads()

    def in_block(self) -> AbstractContextManager[None]:
        """Return the block in which instructions of all threads are noticed."""
        if not self._chance:
            return nullcontext()
        if not self._has_hooks:
            return self._rewritten()
        return monitored(self._step) if sys.version_info >= (3, 12) else nullcontext()

    def in_thread(self) -> AbstractContextManager[None]:
        """Return the block in which those of the calling thread are noticed; before Python 3.12 each has its own."""
        is_traced = self._chance > 0 and self._has_hooks and sys.version_info < (3, 12)
        return traced(self._step) if is_traced else nullcontext()

    @contextmanager
    def _rewritten(self) -> Iterator[None]:
        """Let user code call the step while the block runs."""
        require_assembler()
        with functions.in_block():
            steps.append(self._step)
            self._scheduler.before_root_waits = functions.look
            try:
                yield
            finally:
                self._scheduler.before_root_waits = int
                steps.remove(self._step)

    def _step(self) -> None:
        scheduler = self._scheduler
        fiber = scheduler.mine()
        if fiber is None or fiber is scheduler.root or scheduler.current is not fiber:
            return
        if scheduler.others_are_due() and scheduler.random.random() < self._chance:
            with suppress(Stopped):  # it ends at its next wait instead: here it may just have taken a lock
                scheduler.yield_turn()


def for_many_blocks(chance: float) -> AbstractContextManager[None]:
    """Return a block around many blocks of clocks with preemption: what they all need is prepared once."""
    return functions.in_block() if chance and not has_threads() else nullcontext()
