"""Replacing an attribute of somebody else's class or module for a time, and putting it back exactly.

Belongs here: one replacement, also in a module that is not loaded yet, and functions that record themselves. Does not
belong here: what is replaced by what (the module of each library), for how long (``kinds``).
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Protocol

from kaygraph_viz.capture.calls import without_our_frames


class Hook(Protocol):
    """Something that is in force from when it is made until it is removed."""

    def remove(self) -> None:
        """End it."""


class Patch:
    """One attribute of a class or module, replaced."""

    def __init__(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        self._owner, self._name = owner, name
        self._was_its_own = name in vars(owner)
        self._original = vars(owner)[name] if self._was_its_own else getattr(owner, name)
        self._ours = make(self._original)
        if callable(self._original) and callable(self._ours):
            functools.update_wrapper(self._ours, self._original)
        setattr(owner, name, self._ours)

    def remove(self) -> None:
        """Put back the very object that was there; where somebody has wrapped ours meanwhile, that stays as it is."""
        if vars(self._owner).get(self._name) is not self._ours:
            return  # ours stays below, and passes everything through once nothing is recorded
        if self._was_its_own:
            setattr(self._owner, self._name, self._original)
        else:
            delattr(self._owner, self._name)


class OnImport:
    """The hooks of a module: made now if it is loaded, else as soon as the program itself loads it."""

    def __init__(self, module: str, make: Callable[[ModuleType], Iterable[Hook]]) -> None:
        self._module, self._make = module, make
        self._hooks: list[Hook] = []
        found = sys.modules.get(module)
        if found is not None and not getattr(found.__spec__, "_initializing", False):
            self._install(found)
        else:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as it would be found without us, and have its hooks made once it has run."""
        if name != self._module:
            return None
        self._stop_looking()  # once, and so that the search below does not come back to us
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self._follow(spec.loader)
        return spec

    def _follow(self, loader: Any) -> None:
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # the loader is as it was
            run(module)
            self._install(module)

        loader.exec_module = exec_module

    def _install(self, module: ModuleType) -> None:
        for hook in self._make(module):
            self._hooks.append(hook)

    def _stop_looking(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def remove(self) -> None:
        """Remove the hooks, or stop waiting for the module."""
        self._stop_looking()
        self._make = lambda module: ()  # it may be loading just now
        while self._hooks:
            self._hooks.pop().remove()


Opened = Callable[[BaseException | None], None]  # ends what was opened, given the error if there was one


def wrapping(opened: Callable[..., Opened | None]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a method record itself: `opened` is called with its arguments, what it returns at the end."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def method(*args: Any, **kwargs: Any) -> Any:
            with _Ending(opened(*args, **kwargs)):
                return original(*args, **kwargs)

        async def method_async(*args: Any, **kwargs: Any) -> Any:
            with _Ending(opened(*args, **kwargs)):
                return await original(*args, **kwargs)

        return method_async if inspect.iscoroutinefunction(original) else method

    return make


class _Ending:
    """A block that ends what was opened, and passes errors on without our frame."""

    __slots__ = ("_end",)

    def __init__(self, end: Opened | None) -> None:
        self._end = end

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._end is not None:
            self._end(error)
        if error is not None:
            without_our_frames(error)
