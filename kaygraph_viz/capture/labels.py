"""What tells a captured call from others of its function: its arguments, or what the program says of them.

Belongs here: making labels, which are short plain texts. Does not belong here: names (``names``), and where a label is
drawn (``plot.gantt.bar_labels``).

A label is an attribute of the branch, and all calls of a function keep one name: charts, sums and comparisons go by
that. It is made where the call is handed over or where it begins, whichever has the arguments at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import CO_VARARGS, CO_VARKEYWORDS
from itertools import islice, zip_longest
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Literal, TypeAlias

from kaygraph_viz.capture.names import mapped_items, reached
from kaygraph_viz.errors import OptionError
from kaygraph_viz.texts import MASK, is_secret, one_line, without_secrets
from kaygraph_viz.trace.recorder import Recorder, span

__all__ = [
    "ARGUMENTS",
    "MOST",
    "Label",
    "checked_label",
    "label_by",
    "label_of",
    "labels_of",
    "note_label",
    "note_task_label",
]

ARGUMENTS: Literal["arguments"] = "arguments"
LONGEST, LONGEST_ARGUMENT, SEEN = 60, 40, 1_000  # characters of a label, of an argument, those that are looked at
MOST = 8  # arguments, and parts of a label
ELLIPSIS = "…"
MOST_WRAPPERS = 8
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
    for _ in range(MOST_WRAPPERS):
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
