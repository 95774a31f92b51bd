"""Replaced attributes: put back exactly, and only while they are still ours."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from kaygraph_viz.capture.patches import Hook, OnImport, Patch, wrapping


class Base:
    def size(self) -> int:
        return 1

    @classmethod
    def made(cls) -> str:
        return cls.__name__


class Child(Base):
    pass


def tenfold(original):
    return lambda self: 10 * original(self)


def test_a_patch_puts_back_the_very_object():
    before = vars(Base)["size"]
    patch = Patch(Base, "size", tenfold)
    assert Base().size() == 10
    patch.remove()
    assert vars(Base)["size"] is before


def test_a_patch_of_an_inherited_method_leaves_nothing_in_the_subclass():
    patch = Patch(Child, "size", tenfold)
    assert (Child().size(), Base().size()) == (10, 1)
    patch.remove()
    assert "size" not in vars(Child)


def test_what_others_put_on_top_stays():
    before = Base.size
    patch = Patch(Base, "size", tenfold)
    ours = Base.size
    Base.size = lambda self: ours(self) + 1
    patch.remove()
    assert Base().size() == 11
    Base.size = before


def test_the_signature_is_that_of_the_original():
    patch = Patch(Base, "made", lambda original: classmethod(lambda cls: ""))
    assert list(inspect.signature(Base.made).parameters) == []
    patch.remove()
    patch = Patch(Child, "size", tenfold)
    assert (Child.size.__name__, str(inspect.signature(Child().size))) == ("size", "() -> 'int'")
    patch.remove()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "late_shop.py").write_text("def price():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "late_shop"
    sys.modules.pop("late_shop", None)


def doubled(module: ModuleType) -> Iterator[Hook]:
    yield Patch(module, "price", lambda original: lambda: 2 * original())


def test_a_module_that_is_loaded_later_is_patched_then(shop: str):
    hook = OnImport(shop, doubled)
    module = importlib.import_module(shop)
    assert module.price() == 2
    hook.remove()
    assert module.price() == 1
    assert hook not in sys.meta_path


def test_a_module_that_is_loaded_already_is_patched_at_once(shop: str):
    module = importlib.import_module(shop)
    hook = OnImport(shop, doubled)
    assert module.price() == 2
    hook.remove()
    assert module.price() == 1


def test_a_module_that_is_never_loaded_leaves_no_trace():
    finders = list(sys.meta_path)
    hook = OnImport("no_such_shop", doubled)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_shop")
    hook.remove()
    assert sys.meta_path == finders


def test_a_module_that_is_loaded_after_the_end_is_left_alone(shop: str):
    OnImport(shop, doubled).remove()
    assert importlib.import_module(shop).price() == 1


# -- around --------------------------------------------------------------------------------------------------------


def divide(a, b):
    return a // b


async def divide_later(a, b):
    return a // b


def run(function, *args):
    found = function(*args)
    return asyncio.run(found) if asyncio.iscoroutine(found) else found


@pytest.mark.parametrize("function", [divide, divide_later])
def test_what_is_opened_is_ended_with_the_error(function):
    ended = []
    wrapped = wrapping(lambda a, b: ended.append)(function)
    assert run(wrapped, 6, 3) == 2
    with pytest.raises(ZeroDivisionError) as caught:
        run(wrapped, 1, 0)
    assert ended == [None, caught.value]


@pytest.mark.parametrize("function", [divide, divide_later])
def test_the_traceback_is_that_of_the_function(function):
    def frames(called):
        with pytest.raises(ZeroDivisionError) as caught:
            run(called, 1, 0)
        return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]

    assert frames(wrapping(lambda a, b: lambda error: None)(function)) == frames(function)
