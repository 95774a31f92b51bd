"""What travels between processes: functions, items, outcomes and errors as bytes.

Belongs here: packing so that one bad object spoils nothing but its own item. Does not belong here: the way the bytes
take (``dask_call``, ``dask_worker``).

Everything goes through cloudpickle, so that functions and classes from a notebook travel by value, in the body that
they have now.
"""

from __future__ import annotations

import io
import pickle
import sys
from contextlib import suppress
from contextvars import Context, ContextVar
from importlib import import_module
from typing import Any

import cloudpickle

from kaygraph_viz.errors import BranchError
from kaygraph_viz.trace.attributes import describe_error

__all__ = ["context_values", "pack", "pack_result", "unpack_result"]

_unplaced: dict[tuple[str, str], ContextVar[Any]] = {}


class _Packer(cloudpickle.Pickler):  # type: ignore[misc]
    """Also takes context variables, which travel as the place where they live."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, ContextVar):
            return _variable_at, _place_of(obj)
        return super().reducer_override(obj)


def pack(value: Any) -> bytes:
    """Return any object as bytes for `pickle.loads`; raises what pickling raises."""
    buffer = io.BytesIO()
    _Packer(buffer).dump(value)
    return buffer.getvalue()


def _place_of(variable: ContextVar[Any]) -> tuple[str, str]:
    """Return the module and name under which a context variable is found; of a local one only what it is called."""
    for name, module in list(sys.modules.items()):
        if getattr(module, "__dict__", {}).get(variable.name) is variable:
            return name, variable.name
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is variable:
                return name, attribute
    return "", variable.name


def _variable_at(module: str, name: str) -> ContextVar[Any]:
    """Return the context variable of that place, or one that stands for it where the module is not to be had."""
    with suppress(Exception):
        found = getattr(import_module(module), name)
        if isinstance(found, ContextVar):
            return found
    return _unplaced.setdefault((module, name), ContextVar(name))


def context_values(context: Context) -> list[bytes]:
    """Return the context variables that can travel, each packed with its value; our own stay at home."""
    packed = []
    for variable, value in context.items():
        if not variable.name.startswith("kaygraph_viz_"):
            with suppress(Exception):  # a value that cannot be pickled is of no use to another process
                packed.append(pack((variable, value)))
    return packed


def pack_result(value: Any, error: BaseException | None, where: str) -> tuple[bytes, BaseException | None]:
    """Return a value, or else an error, as bytes; and the error that took its place where it could not be packed."""
    try:
        return (pack((value, None)) if error is None else _pack_error(error)), None
    except Exception as failed:
        text = f"{where} returned a value" if error is None else f"{where} raised {describe_error(error)}"
        made = BranchError(f"{text} that cannot be sent back: {describe_error(failed)}; return plain data instead")
        return _pack_error(made), made


def _pack_error(error: BaseException) -> bytes:
    """Pack an error with its cause and traceback; where that does not work, without them."""
    with suppress(Exception):
        chain: list[BaseException] = [error]
        while chain[-1].__cause__ is not None and chain[-1].__cause__ not in chain:
            chain.append(chain[-1].__cause__)
        import_module("tblib.pickling_support").install(*chain)  # comes with distributed
    return pack((None, error))


def unpack_result(packed: bytes, text: str | None, where: str) -> tuple[Any, BaseException | None]:
    """Return the value and the error of `pack_result`; one that fails to load becomes an error that says so."""
    try:
        value, error = pickle.loads(packed)  # noqa: S301  (made by our own worker)
    except Exception as failed:
        what = "returned a value" if text is None else f"raised {text},"
        return None, BranchError(f"{where} {what} that cannot be loaded here: {describe_error(failed)}")
    return value, error
