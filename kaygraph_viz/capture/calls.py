"""A call of the program as a branch: its record, its name and its label.

Belongs here: stamping calls that run in this process, the name of the function that the program wrote through all
wrappers, and labels, which tell a call from others of its function. Does not belong here: calls that go to other
processes (``process_recorder``), where calls are intercepted (the module of each library).

A label is an attribute of the branch, and all calls of a function keep one name: charts, sums and comparisons go by
that. It is made where the call is handed over or where it begins, whichever has the arguments at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from functools import cache, partial
from inspect import CO_VARARGS, CO_VARKEYWORDS
from itertools import islice, zip_longest
from pathlib import Path
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, MethodType
from typing import Any, Literal, Self, TypeAlias

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.texts import MASK, is_secret, one_line, without_secrets
from kaygraph_viz.trace.lanes import Measured
from kaygraph_viz.trace.recorder import NO_SCOPE, Recorder, Scope, _active, _scope, span
from kaygraph_viz.trace.row import Row, RowTuple, describe_error, safe_attributes
from kaygraph_viz.trace.span import Kind, Status

AT_ONCE = -1  # no time: simulated time begins at 0
NO_ATTRIBUTES: dict[str, Any] = {}  # one for all: half a thousand calls at a time have to fit into a cache


def scope_for(kind: str) -> Scope | span | None:
    """Return the scope in which to record a call of a kind; None where no recording wants it."""
    scope = _scope.get() or _active[-1]
    recorder = scope.recorder
    return scope if kind in recorder.captured and recorder.is_open else None


def scope_by_context(kind: str) -> Scope | span | None:
    """Return the scope of the calling context: what is no descendant of the recording has none."""
    scope = _scope.get() or NO_SCOPE
    recorder = scope.recorder
    return scope if kind in recorder.captured and recorder.is_open else None


class OpenCall(span):
    """A call under way: an open span, and the scope of what runs in it."""

    __slots__ = ("attempt", "index", "submitted_ns")
    parent: Scope | span

    def __init__(
        self,
        parent: Scope | span,
        name: str,
        submitted_ns: int = AT_ONCE,
        kind: Kind = "branch",
        index: int = -1,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self.recorder = parent.recorder
        self.parent = parent
        self.name = name
        self.kind = kind
        self.submitted_ns = submitted_ns
        self.index = index
        self.attempt = 1
        self._attributes = NO_ATTRIBUTES if attributes is None else dict(attributes)
        self._links = ()
        self.span_id = 0  # until it begins
        self.is_over = False

    def set(self, /, **attributes: Any) -> None:
        """Add attributes to the span."""
        self._attributes = {**self._attributes, **attributes}

    def link_to(self, numbers: tuple[int, ...]) -> None:
        """Note that this call needed the results of the spans with these numbers."""
        self._links = numbers

    def begin(self) -> Self:
        """Stamp the begin, in the thread that runs the call, and make this the scope there."""
        recorder = self.recorder
        self.span_id = recorder.next_id()
        self._token = _scope.set(self)
        self._lane = lane = recorder.lanes.mine()
        self._started_ns = now = recorder.now_ns()
        recorder.open_spans[self.span_id] = self
        self._cpu_ns = lane.cpu_at(now)
        return self

    def end(self, error: BaseException | None = None) -> None:
        """Stamp the end and record the span; `error` is what the call raised."""
        span.__exit__(self, None, error, None)  # `super()` would cost as much as a stamp

    __enter__ = begin

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        span.__exit__(self, kind, error, traceback)
        if error is not None:
            without_our_frames(error)

    @property
    def started_ns(self) -> int:
        """When it began [ns]."""
        return self._started_ns

    def cut(self, at_ns: int, **attributes: Any) -> None:
        """Record what came before `at_ns` [ns] as a branch of its own, which only computed; go on from there."""
        lasted_ns = at_ns - self._started_ns
        row = self._row_of(at_ns, (lasted_ns if self.recorder.has_cpu_time else -1, 0, None), "ok", None)
        self.recorder.add(Row._make(row)._replace(span_id=self.recorder.next_id(), attributes=attributes))
        self._started_ns = at_ns
        self._cpu_ns += lasted_ns

    def _row_of(self, ended_ns: int, measured: Measured, status: Status, error: str | None) -> RowTuple:
        started_ns, (cpu_ns, blocked_ns, parts) = self._started_ns, measured
        submitted_ns, parent = self.submitted_ns, self.parent
        return (
            self.span_id, self.parent_id if parent.is_over else parent.span_id, self.index, self.name, self.kind,
            self._lane.name,
            submitted_ns if AT_ONCE < submitted_ns < started_ns else started_ns, started_ns, ended_ns,
            cpu_ns, blocked_ns, status, self.attempt, error,
            safe_attributes(self._attributes) if self._attributes else None, self._links, parts,
        )  # fmt: skip


class _FunctionCall(OpenCall):
    """A call under way by `call_recorded`, which sets what differs from one to the next; it has no links."""

    __slots__ = ()
    kind, index, attempt, _links = "branch", -1, 1, ()
    __init__ = object.__init__


def call_recorded(
    parent: Scope | span, submitted_ns: int, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call a function as the branch that was handed over in `parent` at `submitted_ns` [ns]."""
    recorder = parent.recorder
    if not recorder.is_open:
        return function(*args, **kwargs)
    # `OpenCall(...)`, `begin` and `end` without the cost of their calls: a sixth of what recording a task costs.
    next_id, now_ns = recorder.next_id, recorder.now_ns
    call = _FunctionCall()
    call.recorder, call.parent, call.submitted_ns = recorder, parent, submitted_ns
    call.name, call._attributes, call.is_over = name_of(function, args), NO_ATTRIBUTES, False
    call.span_id = number = next_id()
    if recorder.label is not None:
        note_label(call, function, args, kwargs)
    if function.__class__ is not FunctionType:
        function, args = within(call, function, args)
    call._token = token = _scope.set(call)
    call._lane = lane = recorder.lanes.mine()
    call._started_ns = started_ns = now_ns()
    recorder.open_spans[number] = call
    call._cpu_ns = cpu_ns = lane.cpu_at(started_ns)
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        call.end(error)
        without_our_frames(error)
        raise
    call.is_over = True
    ended_ns = now_ns()
    _scope.reset(token)
    cpu_ns, blocked_ns, parts = lane.measured(cpu_ns, started_ns, ended_ns)
    recorder.add((
        number, call.parent_id if parent.is_over else parent.span_id, -1, call.name, "branch", lane.name,
        submitted_ns if AT_ONCE < submitted_ns < started_ns else started_ns, started_ns, ended_ns, cpu_ns, blocked_ns,
        "ok", 1, None, safe_attributes(call._attributes) if call._attributes else None, None, parts,
    ))  # fmt: skip
    recorder.open_spans.pop(number, None)
    return result


def lost(
    parent: Scope | span,
    submitted_ns: int,
    name: str,
    error: BaseException,
    *,
    attributes: Mapping[str, Any] | None = None,
    links: tuple[int, ...] = (),
) -> None:
    """Record a call that a worker process took with it when it died: nothing else is known of it."""
    recorder = parent.recorder
    if not recorder.is_open:
        return
    call = OpenCall(parent, name, submitted_ns=submitted_ns)
    now = recorder.now_ns()
    recorder.add((
        recorder.next_id(), call.parent_id, -1, name, "branch", "lost", submitted_ns, now, now, -1, 0, "lost", 1,
        describe_error(error), safe_attributes(attributes) if attributes else None, links, None,
    ))  # fmt: skip


def within(call: OpenCall, function: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return function and arguments so that `call` is the scope inside, also in a context that they bring."""
    if isinstance(function, partial) and function.args and runs_in_context(function.func):
        return partial(function.func, _in_scope, call, *function.args, **function.keywords), args
    if args and runs_in_context(function):
        return function, (_in_scope, call, *args)
    return function, args


def _in_scope(call: OpenCall, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = _scope.set(call)
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        without_our_frames(error)
        raise
    finally:
        _scope.reset(token)


def without_our_frames(error: BaseException) -> None:
    """Take the frame of the caller off a traceback: readers look for their own lines."""
    if error.__traceback__ is not None:
        BaseException.with_traceback(error, error.__traceback__.tb_next)  # also where the class is frozen


class _WithoutOurFrame:
    """A block from which errors are passed on without the frame that has it; on hot paths it costs too much."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            without_our_frames(error)


without_our_frame = _WithoutOurFrame()


# -- names -----------------------------------------------------------------------------------------------------------


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


# -- labels ----------------------------------------------------------------------------------------------------------


ARGUMENTS: Literal["arguments"] = "arguments"
LONGEST, LONGEST_ARGUMENT, SEEN = 60, 40, 1_000  # characters of a label, of an argument, those that are looked at
MOST = 8  # arguments, and parts of a label
ELLIPSIS = "…"
PLAIN = (bool, int, float, type(None))
PATH = type(Path())

Label: TypeAlias = Literal["arguments"] | Callable[..., Any]


def checked_label(label: Label | None) -> Label | None:
    """Return what labels the calls of a recording."""
    if isinstance(label, str) and label == ARGUMENTS:
        return ARGUMENTS
    if label is None or callable(label):
        return label
    expected = "'arguments', or a function that is called with the arguments of each call"
    raise OptionError("label", label, expected, "label=lambda url: url")


def note_label(call: span, function: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> None:
    """Give a call that has not begun the label that its recording wants."""
    if text := label_of(call.recorder, function, args, keywords):
        call.set(label=text)


def note_task_label(call: span, coroutine: Any) -> None:
    """Give a task that has not begun the label that its recording wants; its arguments are in its frame."""
    frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
    if isinstance(frame, FrameType) and not getattr(coroutine, "cr_suspended", False):
        names, args, keywords = _arguments_in(frame.f_code, frame.f_locals)
        # A wrapper has the names of its own parameters: those of the function that it calls, which has its name, tell.
        free = (frame.f_locals.get(variable) for variable in frame.f_code.co_freevars)
        functions = (each for each in free if type(each) is FunctionType)
        wrapped = next((each for each in functions if each.__qualname__ == coroutine.__qualname__), None)
        names = names if wrapped is None else _parameters(wrapped)
        is_method = names[:1] in (["self"], ["cls"])
        label = call.recorder.label
        if label is not None and (text := _label(label, args[is_method:], keywords, names[is_method:])):
            call.set(label=text)


def labels_of(recorder: Recorder, function: Any, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the label of a call that goes elsewhere, or of each item of a chunk; nothing where none are wanted."""
    if recorder.label is None:
        return ()
    mapped = mapped_items(function, args)
    if mapped is None:
        return (label_of(recorder, function, args, keywords),)
    called, items, is_star = mapped
    if not isinstance(items, (list, tuple)):  # to read it would use it up
        return ()
    return tuple(label_of(recorder, called, item if is_star else (item,), {}) for item in items)


def label_of(recorder: Recorder, function: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """Return the label of a call; empty for none."""
    return "" if recorder.label is None else label_by(recorder.label, function, args, keywords)


def label_by(label: Label, function: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """Return the label of a call where there is no recorder, as on a machine of a cluster."""
    function, args, keywords = reached(function, tuple(args), keywords)
    return _label(label, args, keywords, _parameters(function))


def _label(label: Label, args: Sequence[Any], keywords: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the label of a call whose positional parameters have these names, as far as they are known."""
    if label == ARGUMENTS:
        return _shown(args, keywords, names)
    args, keywords = _taken(label, args, keywords)
    try:
        said = label(*args, **keywords)
    except KeyboardInterrupt:
        raise
    except BaseException:  # whatever it raises, such as since it is meant for other functions: no fault of the call
        return ""
    parts = said if type(said) in (list, tuple) else [said]
    return _cut(", ".join(_text(part) for part in parts[:MOST] if part is not None), LONGEST)


def _taken(label: Label, args: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return those of the arguments of a call that a function takes: it need not name what it has no use for."""
    if not isinstance(label, FunctionType):
        return args, keywords
    code = label.__code__
    if not code.co_flags & CO_VARARGS:
        args = args[: code.co_argcount]
    if not code.co_flags & CO_VARKEYWORDS:
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        keywords = {key: value for key, value in keywords.items() if key in names}
    return args, keywords


def _shown(args: Sequence[Any], keywords: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the plain ones of arguments, in which the others are an ellipsis; empty where none is plain."""
    shown = [_argument(name, value) for name, value in zip_longest(names[: len(args)], args[:MOST], fillvalue="")]
    shown += [f"{key}={_argument(key, value)}" for key, value in islice(keywords.items(), MOST - len(shown))]
    if all(text.endswith(ELLIPSIS) for text in shown):
        return ""
    return _cut(", ".join(shown), LONGEST)


def _argument(name: str, value: Any) -> str:
    if is_secret(name):
        return MASK
    if type(value) is str or type(value) is PATH:
        return f'"{_cut(_text(value), LONGEST_ARGUMENT)}"'
    return _text(value) if type(value) in PLAIN else ELLIPSIS


def _text(value: Any) -> str:
    """Return a value as a plain text in one line; an object, whose methods are not called, by its type."""
    if type(value) is PATH:
        value = str(value)
    if type(value) is str:
        text = one_line(without_secrets(value[:SEEN]), SEEN)
        return text if len(value) <= SEEN else text + ELLIPSIS
    if type(value) is int and value.bit_length() > 63:
        return ELLIPSIS
    return str(value) if type(value) in PLAIN else f"<{type(value).__name__}>"


def _cut(text: str, limit: int) -> str:
    """Return a text cut in its middle: beginnings are often the same, such as those of addresses."""
    if len(text) <= limit:
        return text
    return text[: limit // 2 - 1] + ELLIPSIS + text[-(limit - limit // 2) :]


def _parameters(function: Any) -> list[str]:
    """Return the names of the positional parameters of a function, also of one that is wrapped by another."""
    is_plain = type(function) is FunctionType
    if isinstance(function, type):
        function = getattr(function, "__init__", None)
    elif not is_plain and type(function) is not MethodType:
        function = getattr(type(function), "__call__", None)  # noqa: B004  (not asked whether, but which)
    for _ in range(_MOST_WRAPPERS):
        if type(function) not in (FunctionType, MethodType):  # to ask anything else may run code of its own
            return []
        if not hasattr(function, "__wrapped__"):
            break
        function = function.__wrapped__
    return list(function.__code__.co_varnames[not is_plain : function.__code__.co_argcount])


def _arguments_in(code: CodeType, local: Mapping[str, Any]) -> tuple[list[str], list[Any], dict[str, Any]]:
    """Return the names of the positional parameters in a frame that has not begun, and all arguments."""
    first, last = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    has_more, has_others = code.co_flags & CO_VARARGS != 0, code.co_flags & CO_VARKEYWORDS != 0
    names = list(code.co_varnames[:first])
    args = [local[name] for name in names]
    args += local[code.co_varnames[last]] if has_more else ()
    keywords = {name: local[name] for name in code.co_varnames[first:last]}
    keywords |= local[code.co_varnames[last + has_more]] if has_others else {}
    return names, args, keywords
