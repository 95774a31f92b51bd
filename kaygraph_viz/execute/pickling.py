"""Pickling: functions, items, values and errors as bytes, for our own worker processes and for Dask's.

Belongs here: packing and unpacking, so that one bad object spoils nothing but its own item. Does not belong here: the
way the bytes take (``local.answers``, ``dask.executor``), and when they are sent.

Numbers and texts travel as they are. Everything else is packed by itself, so that it can fail by itself, and through
cloudpickle where it belongs to ``__main__``, so that functions and classes of a notebook travel by value, in the body
that they have now.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar
from functools import cache, lru_cache
from importlib import import_module
from types import CodeType
from typing import Any

from kaygraph_viz.base.errors import BranchError
from kaygraph_viz.base.texts import visible
from kaygraph_viz.execute.retries import as_node_error
from kaygraph_viz.trace.row import describe_error, traceback_text

__all__ = [
    "ATOMS",
    "WorkerTraceback",
    "are_atoms",
    "by_value",
    "cannot_send",
    "context_values",
    "not_sent",
    "pack",
    "pack_error",
    "pack_result",
    "unpack",
    "unpack_result",
]

ATOMS = frozenset({int, float, str, bool, bytes, type(None)})
MAX_CAUSES = 8
PackedError = tuple[str, str, list[tuple[bytes, str]]]

_local_variables: dict[tuple[str, str], ContextVar[Any]] = {}


class WorkerTraceback(Exception):  # shown as the cause of an error, never raised
    """The traceback that an error had in its worker process, as text."""

    def __str__(self) -> str:
        return visible(f"in a worker process\n{self.args[0]}")


# -- by value -----------------------------------------------------------------------------------------------------


def by_value(value: Any) -> bytes:
    """Return an object as bytes for `pickle.loads`; what belongs to ``__main__`` goes by value; may raise anything."""
    buffer = io.BytesIO()
    try:
        _packer()(buffer).dump(value)
    except BaseException as raised:
        raise as_node_error(raised, f"pickling of {type(value).__name__}")
    return buffer.getvalue()


@cache
def _packer() -> Any:
    """Return a pickler that also takes context variables; cloudpickle is loaded late, since a child may not need it."""
    import cloudpickle

    class Packer(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no type information
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, ContextVar):
                return _variable_at, _address_of(obj)
            if isinstance(obj, CodeType):
                return _code_of_file, (obj.co_filename, *self.dispatch_table[CodeType](obj))
            return super().reducer_override(obj)

    return Packer


def _code_of_file(filename: str, make: Callable[..., CodeType], parts: tuple[Any, ...]) -> CodeType:
    """Return code as it was, with its file, which cloudpickle 3.1.3 and newer leave out: tracebacks need it."""
    return make(*parts).replace(co_filename=filename)


def _address_of(variable: ContextVar[Any]) -> tuple[str, str]:
    """Return the module and name under which a context variable is found; only its name for a local one."""
    module, name = _find_variable(variable)
    is_there = getattr(sys.modules.get(module), "__dict__", {}).get(name) is variable
    return (module, name) if is_there else ("", variable.name)


@lru_cache(maxsize=256)  # the search takes milliseconds, and a notebook has eight context variables of its own
def _find_variable(variable: ContextVar[Any]) -> tuple[str, str]:
    for name, module in list(sys.modules.items()):
        if getattr(module, "__dict__", {}).get(variable.name) is variable:
            return name, variable.name
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is variable:
                return name, attribute
    return "", variable.name


def _variable_at(module: str, name: str) -> ContextVar[Any]:
    """Return a context variable of a module, or a new one of that name where the module cannot be imported."""
    with suppress(Exception):
        found = getattr(import_module(module), name)
        if isinstance(found, ContextVar):
            return found
    return _local_variables.setdefault((module, name), ContextVar(name))


def context_values(context: Context) -> list[bytes]:
    """Return the context variables of other code that can be pickled, each packed with its value."""
    packed = []
    for variable, value in context.items():
        if not variable.name.startswith("kaygraph_viz_"):
            with suppress(Exception):  # a value that cannot be pickled is of no use to another process
                packed.append(by_value((variable, value)))
    return packed


# -- items and results --------------------------------------------------------------------------------------------


def are_atoms(values: list[Any]) -> bool:
    """Return whether all are numbers and texts, which travel as they are."""
    return ATOMS.issuperset(map(type, values))


def pack(value: Any) -> Any:
    """Return a number or text as it is, and anything else as a tuple of bytes; raises what pickling raises."""
    if type(value) in ATOMS:
        return value
    return (by_value(value),)


def unpack(packed: Any) -> Any:
    """Return what was packed; an error of loading it is raised as it is."""
    try:
        return pickle.loads(packed[0]) if type(packed) is tuple else packed
    except BaseException as raised:
        raise as_node_error(raised, "unpickling")


def pack_result(value: Any) -> Any:
    """Return a result as `pack` does, but faster: here, nothing of importance lives in ``__main__``."""
    if type(value) in ATOMS:
        return value
    try:
        return (pickle.dumps(value, pickle.HIGHEST_PROTOCOL),)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a class or function that came by value goes back by value
        return (by_value(value),)


def pack_error(error: BaseException) -> PackedError:
    """Return an error with its causes: what it says, its traceback as text, and each error of the chain."""
    chain = [error]
    while len(chain) < MAX_CAUSES and (cause := chain[-1].__cause__) is not None:
        if any(each is cause for each in chain):  # not by "in": errors may be compared by code of the user
            break
        chain.append(cause)
    return (
        describe_error(error),
        traceback_text(error),
        [(_packed_or_nothing(each), describe_error(each)) for each in chain],
    )


def _packed_or_nothing(error: BaseException) -> bytes:
    try:
        packed = pack_result(error)[0]
        pickle.loads(packed)  # our own; what cannot be loaded here cannot be loaded there
    except BaseException:
        return b""
    return bytes(packed)


def cannot_send(what: str, error: BaseException) -> BranchError:
    """Return the error for something that could not be packed for another process."""
    made = BranchError(
        f"{what} cannot be sent to a worker process: {describe_error(error)}; pass plain data, or use executor='thread'"
    )
    made.__cause__ = error
    return made


def not_sent(where: str, error: Exception) -> BranchError:
    """Return the error of a branch whose value could not be packed."""
    made = BranchError(f"{where} returned a value that cannot be sent back: {describe_error(error)}; return plain data")
    made.__cause__ = error
    return made


def unpack_result(packed: Any, failure: PackedError | None, where: str) -> tuple[Any, BaseException | None]:
    """Return the value, or the error, of a branch; one that cannot be loaded becomes an error that says so."""
    if failure is not None:
        return None, _unpack_error(failure, where)
    try:
        return unpack(packed), None
    except Exception as error:
        made = BranchError(f"{where} returned a value that cannot be loaded here: {describe_error(error)}")
        made.__cause__ = error
        return None, made


def _unpack_error(packed: PackedError, where: str) -> BaseException:
    """Return the error with its causes; one that cannot be loaded is replaced by one with its text."""
    _, text, chain = packed
    errors = [_loaded(each, said, where) for each, said in chain]
    for error, cause in zip(errors, [*errors[1:], WorkerTraceback(text)], strict=True):
        BaseException.__setattr__(error, "__cause__", cause)  # also where the class is frozen
    return errors[0]


def _loaded(packed: bytes, said: str, where: str) -> BaseException:
    try:
        error = pickle.loads(packed)
        if isinstance(error, BaseException):
            return error
    except KeyboardInterrupt:
        raise
    except BaseException:  # told in words
        error = None
    return BranchError(f"{where} raised an error that cannot be sent between processes: {said}")
