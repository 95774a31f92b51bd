"""The items that a pool hands to a worker at once: a bar for each that lasts, one for each bundle of short ones.

Belongs here: what becomes of the calls that the mapper of a pool makes. Does not belong here: finding chunks
(``names``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

from kaygraph_viz.capture.calls import OpenCall, mapped_items, mapping, name_of, without_our_frames
from kaygraph_viz.trace.recorder import Recorder, Scope, span

__all__ = ["SHORT_NS", "Chunk"]

SHORT_NS = 50_000  # what is shorter shares a bar with its neighbours: a bar each would cost more than they do


class Chunk:
    """The items of a chunk, recorded while the mapper of a pool calls the program's function with each."""

    def __init__(self, scope: Scope | span, submitted_ns: int, labels: Sequence[str] = ()) -> None:
        self._scope = scope
        self._submitted_ns = submitted_ns
        self._labels = labels
        self._bundle: _Bundle | None = None
        self._called: object = None  # by the bundle
        self._done = self._count = 0  # items, in all and in the bundle
        self._ended_ns = 0  # the last item

    def recording(self, mapper: Any, arguments: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Return the mapper and its arguments so that it records each item."""
        mapped = mapped_items(mapper, arguments)
        return (mapper, arguments) if mapped is None else mapping(mapper, arguments, partial(self.call, mapped[0]))

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns for one item."""
        if self._bundle is None or function is not self._called:
            self._end()
            self._bundle = self._begun(function, args)
        started_ns = self._ended_ns
        self._count += 1
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            self._end_last(started_ns, error)
            without_our_frames(error)
            raise
        self._done += 1
        self._ended_ns = self._scope.recorder.now_ns()
        if self._ended_ns - started_ns >= SHORT_NS or self._bundle.is_parent:
            self._end_last(started_ns)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._end()
        if error is not None:
            without_our_frames(error)

    def _begun(self, function: Callable[..., Any], args: tuple[Any, ...]) -> _Bundle:
        self._called, self._count = function, 0
        bundle = _Bundle(self._scope, name_of(function, args), self._submitted_ns).begin()
        self._ended_ns = bundle.started_ns
        bundle.is_parent = False
        return bundle

    def _end_last(self, started_ns: int, error: BaseException | None = None) -> None:
        """End the last item, which began at `started_ns` [ns], after a bar of their own for those before it."""
        bundle, self._bundle = self._bundle, None
        assert bundle is not None
        if self._count > 1:
            bundle.cut(started_ns, items=self._count - 1)
        if label := self._label(self._done - (error is None)):
            bundle.set(label=label)
        bundle.end(error)

    def _end(self) -> None:
        """End the bundle under way, if there is one."""
        bundle, self._bundle = self._bundle, None
        if bundle is None:
            return
        if self._count > 1:
            bundle.set(items=self._count)
        elif label := self._label(self._done - 1):
            bundle.set(label=label)
        bundle.end()

    def _label(self, place: int) -> str:
        return self._labels[place] if place < len(self._labels) else ""


class _Bundle(OpenCall):
    """The bar under way: it knows whether the item under way records something itself, so that it is a parent."""

    __slots__ = ("is_parent",)
    is_parent: bool

    @property
    def recorder(self) -> Recorder:
        """The recorder: only what opens a span inside asks for it, beside this class."""
        self.is_parent = True
        recorder: Recorder = _recorder_of(self)
        return recorder

    @recorder.setter
    def recorder(self, recorder: Recorder) -> None:
        _keep_recorder(self, recorder)


_recorder_of, _keep_recorder = vars(span)["recorder"].__get__, vars(span)["recorder"].__set__  # the slot
