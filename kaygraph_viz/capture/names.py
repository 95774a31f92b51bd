"""What a captured call is called: the name of the function that the program wrote, through all wrappers.

Belongs here: names, and which functions belong to a library. Does not belong here: recording (``calls``).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context
from functools import cache, partial
from types import BuiltinMethodType, FunctionType
from typing import Any

__all__ = [
    "belongs_to",
    "is_machinery",
    "is_machinery_function",
    "mapped_items",
    "mapping",
    "name_of",
    "reached",
    "root_of",
    "runs_in_context",
    "unwrapped",
]

# The functions of these run the program's work, they are not the work: they get no bars of their own.
_MACHINERY = frozenset({
    "IPython", "anyio", "asyncio", "concurrent", "dask", "debugpy", "distributed", "ipykernel", "joblib",
    "jupyter_client", "kaygraph", "kaygraph_viz", "langgraph", "loky", "mpire", "multiprocess", "multiprocessing",
    "pathos", "pocketflow", "ray", "socketserver", "threading", "tornado", "tqdm", "trio", "uvicorn", "uvloop", "zmq",
})  # fmt: skip
_MAP_IN_CHUNKS = ("concurrent.futures", "loky.process_executor", "joblib.externals.loky.process_executor")
_POOLS = ("multiprocessing.pool", "multiprocess.pool")
_GRPC = "grpc._server"
_APSCHEDULER = "apscheduler.executors.base"
_MODULES_OF_WRAPPERS = frozenset({*_POOLS, _GRPC, _APSCHEDULER})  # whose functions may be around one of the program
_MOST_WRAPPERS = 8


def belongs_to(function: Any, libraries: frozenset[str]) -> bool:
    """Return whether a function was defined in one of these libraries."""
    return root_of(getattr(function, "__module__", None)) in libraries


@cache
def root_of(module: object) -> str:
    """Return the library of a module; nothing for none."""
    return str(module or "").partition(".")[0]


def is_machinery(module: str | None) -> bool:
    """Return whether a module belongs to a library that runs work of others."""
    return module is not None and module.partition(".")[0] in _MACHINERY


def is_machinery_function(function: Any) -> bool:
    """Return whether a function, or a class, belongs to a library that runs work of others."""
    function = unwrapped(function)
    owner = type(getattr(function, "__self__", None))  # methods in C, such as those of uvloop, have no module
    return is_machinery(getattr(function, "__module__", None) or owner.__module__)


def unwrapped(function: Any, arguments: tuple[Any, ...] = ()) -> Any:
    """Return the function that a call reaches in the end: through partial, `Context.run`, and the mappers of pools."""
    return reached(function, arguments, {})[0]


def reached(
    function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> tuple[Any, tuple[Any, ...], Mapping[str, Any]]:
    """Return the function that a call reaches in the end, and the arguments with which it does."""
    for _ in range(_MOST_WRAPPERS):
        if (mapped := mapped_items(function, arguments)) is not None:
            function, arguments = mapped[0], ()
        elif isinstance(function, partial):
            keywords = {**function.keywords, **keywords}
            function, arguments = function.func, (*function.args, *arguments)
        elif arguments and runs_in_context(function):
            function, arguments = arguments[0], arguments[1:]
        elif hasattr(type(function), "captured_function"):
            function = function.captured_function
        elif (given := _given_to(function, arguments, keywords)) is not None:
            function, arguments, keywords = given
        else:
            break
    return function, arguments, keywords


def _given_to(
    function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> tuple[Any, tuple[Any, ...], Mapping[str, Any]] | None:
    """Return the call that a function of a server or a scheduler makes for the program; None for other functions."""
    if not isinstance(function, FunctionType):
        return None
    module, name = function.__module__, function.__name__
    if root_of(module) == "fastapi" and callable(handler := keywords.get("function")):
        return handler, (), keywords.get("arguments") or {}
    if module == _GRPC and name.endswith("_response_in_pool") and len(arguments) > 2:
        return arguments[2], (), {}  # the request is read later
    if module == _APSCHEDULER and name == "run_job" and arguments:
        job = arguments[0]
        return job.func, tuple(job.args), job.kwargs
    return None


def runs_in_context(function: Any) -> bool:
    """Return whether a function is the `run` of a context."""
    is_builtin = function.__class__ is BuiltinMethodType  # asking anything else for attributes may run code of its own
    return is_builtin and isinstance(function.__self__, Context) and function.__name__ == "run"


def mapped_items(function: Any, arguments: tuple[Any, ...]) -> tuple[Any, Any, bool] | None:
    """Return the function, the items, and whether each item is a tuple of arguments, for the mapper of a pool."""
    if isinstance(function, partial) and len(arguments) == 1 and _is_of(_MAP_IN_CHUNKS, function.func):
        return (function.args[0], arguments[0], True) if function.func.__name__ == "_process_chunk" else None
    is_mapper = _is_of(_POOLS, function) and function.__name__ in ("mapstar", "starmapstar")
    if is_mapper and len(arguments) == 1:
        mapped, items = arguments[0]
        return mapped, items, function.__name__ == "starmapstar"
    return None


def mapping(function: Any, arguments: tuple[Any, ...], other: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the mapper of a pool and its arguments with another function to call with each item."""
    if isinstance(function, partial):
        return partial(function.func, other, *function.args[1:], **function.keywords), arguments
    return function, ((other, arguments[0][1]),)


def _is_of(module: str | tuple[str, ...], function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__module__.startswith(module)


def name_of(function: Any, arguments: tuple[Any, ...] = ()) -> str:
    """Return the name of a call in charts: of the innermost function, without the functions around it."""
    if function.__class__ is FunctionType and function.__module__ not in _MODULES_OF_WRAPPERS:
        text = function.__qualname__
        return text if ">" not in text else text.rpartition("<locals>.")[2]
    found = unwrapped(function, arguments)
    try:
        name = getattr(found, "__qualname__", None)
    except Exception:  # an object that answers to any attribute, in its own way
        name = None
    text = name if name.__class__ is str else type(found).__qualname__
    return text.rpartition("<locals>.")[2]
